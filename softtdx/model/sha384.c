// SPDX-License-Identifier: GPL-2.0-only
#include "sha384.h"

/* Fractional parts of the cube roots of the first 80 primes. */
static const u64 round_constant[80] = {
	0x428a2f98d728ae22ull, 0x7137449123ef65cdull, 0xb5c0fbcfec4d3b2full, 0xe9b5dba58189dbbcull,
	0x3956c25bf348b538ull, 0x59f111f1b605d019ull, 0x923f82a4af194f9bull, 0xab1c5ed5da6d8118ull,
	0xd807aa98a3030242ull, 0x12835b0145706fbeull, 0x243185be4ee4b28cull, 0x550c7dc3d5ffb4e2ull,
	0x72be5d74f27b896full, 0x80deb1fe3b1696b1ull, 0x9bdc06a725c71235ull, 0xc19bf174cf692694ull,
	0xe49b69c19ef14ad2ull, 0xefbe4786384f25e3ull, 0x0fc19dc68b8cd5b5ull, 0x240ca1cc77ac9c65ull,
	0x2de92c6f592b0275ull, 0x4a7484aa6ea6e483ull, 0x5cb0a9dcbd41fbd4ull, 0x76f988da831153b5ull,
	0x983e5152ee66dfabull, 0xa831c66d2db43210ull, 0xb00327c898fb213full, 0xbf597fc7beef0ee4ull,
	0xc6e00bf33da88fc2ull, 0xd5a79147930aa725ull, 0x06ca6351e003826full, 0x142929670a0e6e70ull,
	0x27b70a8546d22ffcull, 0x2e1b21385c26c926ull, 0x4d2c6dfc5ac42aedull, 0x53380d139d95b3dfull,
	0x650a73548baf63deull, 0x766a0abb3c77b2a8ull, 0x81c2c92e47edaee6ull, 0x92722c851482353bull,
	0xa2bfe8a14cf10364ull, 0xa81a664bbc423001ull, 0xc24b8b70d0f89791ull, 0xc76c51a30654be30ull,
	0xd192e819d6ef5218ull, 0xd69906245565a910ull, 0xf40e35855771202aull, 0x106aa07032bbd1b8ull,
	0x19a4c116b8d2d0c8ull, 0x1e376c085141ab53ull, 0x2748774cdf8eeb99ull, 0x34b0bcb5e19b48a8ull,
	0x391c0cb3c5c95a63ull, 0x4ed8aa4ae3418acbull, 0x5b9cca4f7763e373ull, 0x682e6ff3d6b2b8a3ull,
	0x748f82ee5defb2fcull, 0x78a5636f43172f60ull, 0x84c87814a1f0ab72ull, 0x8cc702081a6439ecull,
	0x90befffa23631e28ull, 0xa4506cebde82bde9ull, 0xbef9a3f7b2c67915ull, 0xc67178f2e372532bull,
	0xca273eceea26619cull, 0xd186b8c721c0c207ull, 0xeada7dd6cde0eb1eull, 0xf57d4f7fee6ed178ull,
	0x06f067aa72176fbaull, 0x0a637dc5a2c898a6ull, 0x113f9804bef90daeull, 0x1b710b35131c471bull,
	0x28db77f523047d84ull, 0x32caab7b40c72493ull, 0x3c9ebe0a15c9bebcull, 0x431d67c49c100d4cull,
	0x4cc5d4becb3e42b6ull, 0x597f299cfc657e2aull, 0x5fcb6fab3ad6faecull, 0x6c44198c4a475817ull,
};

static u64 ror(u64 x, int n)
{
	return x >> n | x << (64 - n);
}

static u64 load_be64(const u8 *p)
{
	u64 x = 0;

	for (int i = 0; i < 8; i++)
		x = x << 8 | p[i];
	return x;
}

static void store_be64(u8 *p, u64 x)
{
	for (int i = 7; i >= 0; i--, x >>= 8)
		p[i] = (u8)x;
}

/* The message schedule is a ring of 16 words: a kernel stack has no room for 80. */
static inline u64 schedule(u64 w[16], const u8 *block, int i)
{
	u64 a, b;

	if (i < 16)
		return w[i] = load_be64(block + 8 * i);
	a = w[(i + 1) & 15];
	b = w[(i + 14) & 15];
	w[i & 15] += (ror(a, 1) ^ ror(a, 8) ^ a >> 7) + w[(i + 9) & 15] +
		     (ror(b, 19) ^ ror(b, 61) ^ b >> 6);
	return w[i & 15];
}

/* One round; the caller renames the variables instead of moving them. */
static inline void mix(u64 a, u64 b, u64 c, u64 *d, u64 e, u64 f, u64 g, u64 *h, u64 kw)
{
	u64 t = *h + (ror(e, 14) ^ ror(e, 18) ^ ror(e, 41)) + ((e & f) ^ (~e & g)) + kw;

	*d += t;
	*h = t + (ror(a, 28) ^ ror(a, 34) ^ ror(a, 39)) + ((a & b) ^ (a & c) ^ (b & c));
}

static void compress(u64 state[8], const u8 *block)
{
	u64 a = state[0], b = state[1], c = state[2], d = state[3];
	u64 e = state[4], f = state[5], g = state[6], h = state[7];
	u64 w[16];

#define KW(i) (round_constant[i] + schedule(w, block, i))
	for (int i = 0; i < 80; i += 8) {
		mix(a, b, c, &d, e, f, g, &h, KW(i));
		mix(h, a, b, &c, d, e, f, &g, KW(i + 1));
		mix(g, h, a, &b, c, d, e, &f, KW(i + 2));
		mix(f, g, h, &a, b, c, d, &e, KW(i + 3));
		mix(e, f, g, &h, a, b, c, &d, KW(i + 4));
		mix(d, e, f, &g, h, a, b, &c, KW(i + 5));
		mix(c, d, e, &f, g, h, a, &b, KW(i + 6));
		mix(b, c, d, &e, f, g, h, &a, KW(i + 7));
	}
#undef KW
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

void sha384_init(struct sha384 *s)
{
	/* Fractional parts of the square roots of the ninth to sixteenth prime. */
	static const u64 initial[8] = {
		0xcbbb9d5dc1059ed8ull, 0x629a292a367cd507ull, 0x9159015a3070dd17ull, 0x152fecd8f70e5939ull,
		0x67332667ffc00b31ull, 0x8eb44a8768581511ull, 0xdb0c2e0d64f98fa7ull, 0x47b5481dbefa4fa4ull,
	};

	memset(s, 0, sizeof(*s));
	memcpy(s->h, initial, sizeof(s->h));
}

void sha384_update(struct sha384 *s, const void *data, size_t length)
{
	const u8 *p = data;

	while (length) {
		size_t used = s->length % sizeof(s->block);
		size_t n = sizeof(s->block) - used;

		if (n > length)
			n = length;
		memcpy(s->block + used, p, n);
		s->length += n;
		p += n;
		length -= n;
		if (used + n == sizeof(s->block))
			compress(s->h, s->block);
	}
}

void sha384_final(struct sha384 *s, u8 digest[48])
{
	u64 bits = s->length * 8;
	size_t used = s->length % sizeof(s->block);

	s->block[used++] = 0x80;
	if (used > 112) {
		memset(s->block + used, 0, sizeof(s->block) - used);
		compress(s->h, s->block);
		used = 0;
	}
	memset(s->block + used, 0, 120 - used);
	store_be64(s->block + 120, bits);
	compress(s->h, s->block);
	for (int i = 0; i < 6; i++)
		store_be64(digest + 8 * i, s->h[i]);
}
