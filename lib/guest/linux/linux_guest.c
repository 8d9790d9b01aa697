// SPDX-License-Identifier: GPL-2.0-only
#include <asm/bootparam.h>
#include <fcntl.h>
#include <linux/kvm_para.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/linux/linux_acpi.h"
#include "guest/linux/linux_image.h"
#include "guest/linux/uart.h"
#include "guest_vm.h"
#include "linux_guest.h"
#include "testcase.h"

#define IMAGE_VARIABLE	"KTS_GUEST_KERNEL"
#define MARGIN		(24ULL << 20)	/* memory that is neither the kernel's nor the initramfs's */
#define LOW_END		0xa0000		/* of the memory below the first MiB */
#define ACPI_GPA	(LOW_END - ACPI_SIZE)
#define HIGH_START	0x100000
#define SERIAL_PORT	0x3f8
#define LINE		256
#define TSC_UNIT_KHZ	25000

/*
 * The guest has no devices: a small bounce buffer (swiotlb) is shared with the host, 1 MiB. It
 * restarts by a triple fault, which needs no hardware.
 */
static const char cmdline[] =
	"earlyprintk=ttyS0 console=ttyS0 nokaslr no5lvl swiotlb=512 reboot=triple";

struct linux_guest {
	struct vm *vm;
	struct vcpu *vcpu;
	struct uart uart;
	char **lines;		/* of the console; the last one is under way */
	size_t nr_lines;
	size_t line_used;
	u64 shared;
};

/* The image. */

struct file {
	u8 *data;
	size_t size;
};

static struct file read_image(void)
{
	int fd = open(getenv(IMAGE_VARIABLE), O_RDONLY | O_CLOEXEC);
	struct file f = { 0 };
	struct stat st;

	must(fd >= 0 && !fstat(fd, &st), "open %s", getenv(IMAGE_VARIABLE));
	f.size = st.st_size;
	f.data = malloc(f.size);
	for (size_t done = 0; done < f.size; ) {
		ssize_t n = read(fd, f.data + done, f.size - done);

		must(n > 0, "read %s", getenv(IMAGE_VARIABLE));
		done += n;
	}
	close(fd);
	return f;
}

static const struct setup_header *header_of(const struct file *f)
{
	const struct setup_header *h = (void *)(f->data + offsetof(struct boot_params, hdr));

	must(f->size > SZ_4K && !memcmp(&h->header, "HdrS", 4) && h->version >= 0x20c &&
	     h->xloadflags & XLF_KERNEL_64,
	     "%s is a 64-bit bzImage", getenv(IMAGE_VARIABLE));
	return h;
}

const char *linux_guest_missing(void)
{
	const char *path = getenv(IMAGE_VARIABLE);

	if (!path)
		return "no guest kernel: set " IMAGE_VARIABLE "=FILE, a bzImage with CONFIG_INTEL_TDX_GUEST and CONFIG_SERIAL_8250_CONSOLE";
	if (access(path, R_OK))
		return strf("the guest kernel, %s=%s: %s", IMAGE_VARIABLE, path, strerror(errno));
	return NULL;
}

/* The initramfs: cpio "newc" (Documentation/driver-api/early-userspace). */

static void cpio_entry(FILE *out, const char *name, unsigned int mode, const char *data,
		       size_t size, unsigned int minor)
{
	fprintf(out, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X%s%c",
		0, mode, 0, 0, 1, 0, size, 0, 0, 1, minor, strlen(name) + 1, 0, name, 0);
	while (ftell(out) % 4)
		fputc(0, out);
	fwrite(data, size, 1, out);
	while (ftell(out) % 4)
		fputc(0, out);
}

static struct file make_initramfs(void)
{
	struct file f = { 0 };
	FILE *out = open_memstream((char **)&f.data, &f.size);

	cpio_entry(out, "dev", S_IFDIR | 0755, NULL, 0, 0);
	cpio_entry(out, "dev/kmsg", S_IFCHR | 0600, NULL, 0, 11);
	cpio_entry(out, "init", S_IFREG | 0755, linux_init, linux_init_end - linux_init, 0);
	cpio_entry(out, "TRAILER!!!", 0, NULL, 0, 0);
	fclose(out);
	return f;
}

/* Memory as the boot protocol wants it. */

struct layout {
	u64 kernel, initramfs, end;
};

static u64 round_up(u64 gpa)
{
	return (gpa + SZ_2M - 1) & ~(SZ_2M - 1);
}

static struct layout lay_out(const struct setup_header *h, const struct file *initramfs)
{
	struct layout l = { .kernel = h->pref_address };

	l.initramfs = round_up(l.kernel + h->init_size);
	l.end = round_up(l.initramfs + initramfs->size + MARGIN);
	must(l.end <= SZ_1G, "the kernel and its memory fit into the first GiB");
	return l;
}

/* Memory at its own addresses, in pages of 1 GiB. */
static void map_identity(u8 *memory)
{
	u64 *pml4 = (u64 *)(memory + LINUX_PAGE_TABLES), *pdpt = pml4 + 512;

	*pml4 = (LINUX_PAGE_TABLES + SZ_4K) | 3;
	for (u64 i = 0; i < 4; i++)
		pdpt[i] = i * SZ_1G | 0x83;	/* large, writable, present */
}

static void fill_boot_params(struct boot_params *bp, const struct file *image,
			     const struct layout *l, size_t initramfs_size)
{
	size_t header_end = 0x202 + image->data[0x201];
	size_t start = offsetof(struct boot_params, hdr);

	memcpy(&bp->hdr, image->data + start, header_end - start);
	bp->hdr.type_of_loader = 0xff;
	bp->hdr.cmd_line_ptr = LINUX_CMDLINE;
	bp->hdr.ramdisk_image = l->initramfs;
	bp->hdr.ramdisk_size = initramfs_size;
	bp->acpi_rsdp_addr = ACPI_GPA;
	bp->e820_entries = 3;
	bp->e820_table[0] = (struct boot_e820_entry){ 0, ACPI_GPA, 1 };		/* usable */
	bp->e820_table[1] = (struct boot_e820_entry){ ACPI_GPA, ACPI_SIZE, 3 };	/* ACPI */
	bp->e820_table[2] = (struct boot_e820_entry){ HIGH_START, l->end - HIGH_START, 1 };
}

static u8 *fill_memory(const struct file *image, const struct layout *l,
			    const struct file *initramfs)
{
	struct mem *mem = mem_create(MEM_ANON, l->end, NULL);
	const struct setup_header *h = header_of(image);
	size_t setup = ((h->setup_sects ?: 4) + 1) * 512;

	fill_boot_params((void *)(mem->hva + LINUX_BOOT_PARAMS), image, l, initramfs->size);
	memcpy(mem->hva + LINUX_CMDLINE, cmdline, sizeof(cmdline));
	map_identity(mem->hva);
	linux_acpi(mem->hva + ACPI_GPA, ACPI_GPA);
	memcpy(mem->hva + l->kernel, image->data + setup, image->size - setup);
	memcpy(mem->hva + l->initramfs, initramfs->data, initramfs->size);
	return mem->hva;
}

static void add_boot_page(struct vm *vm, struct vcpu *vcpu, u64 entry)
{
	u8 *page = aligned_alloc(SZ_4K, SZ_4K);

	memcpy(page, linux_boot, SZ_4K);
	memcpy(page + LINUX_BOOT_ENTRY, &entry, sizeof(entry));
	td_slot_add(vm, LINUX_BOOT_GPA, SZ_4K);
	td_add(vcpu, page, LINUX_BOOT_GPA, 1, 0);
	free(page);
}

/*
 * The TDX module's unit of TSC frequency is 25 MHz. With another one, KVM takes the guest's TSC for
 * what it is not, and the timer expires at once (docs/findings.md).
 */
static void round_tsc(struct vm *vm)
{
	int khz = ioctl(vm->fd, KVM_GET_TSC_KHZ, 0);

	expect_ok(khz, "KVM_GET_TSC_KHZ of the VM");
	expect_ok(ioctl(vm->fd, KVM_SET_TSC_KHZ, khz / TSC_UNIT_KHZ * TSC_UNIT_KHZ),
		  "KVM_SET_TSC_KHZ of the VM, %d kHz", khz);
}

static struct vm *create_td(void)
{
	struct vm *vm = td_vm();

	round_tsc(vm);
	td_init(vm, td_params(vm));
	vm_enable_cap(vm, KVM_CAP_EXIT_HYPERCALL, 1 << KVM_HC_MAP_GPA_RANGE);
	return vm;
}

struct linux_guest *linux_guest(void)
{
	struct linux_guest *g = calloc(1, sizeof(*g));
	struct file image = read_image(), initramfs = make_initramfs();
	struct layout l = lay_out(header_of(&image), &initramfs);
	const u8 *memory = fill_memory(&image, &l, &initramfs);

	must_declare(running_case()->needs_guest_kernel, ".needs_guest_kernel");
	g->vm = create_td();
	g->vcpu = td_vcpu(g->vm);
	td_slot_add(g->vm, 0, l.end);
	td_add(g->vcpu, memory, 0, l.end / SZ_4K, 0);
	add_boot_page(g->vm, g->vcpu, l.kernel + 0x200);
	td_finalize(g->vm);
	return g;
}

/* The run. */

static void console(struct linux_guest *g, char c)
{
	if (!g->line_used) {
		g->lines = realloc(g->lines, (g->nr_lines + 1) * sizeof(*g->lines));
		g->lines[g->nr_lines++] = calloc(1, LINE);
	}
	if (c == '\n') {
		diag("guest: %s", g->lines[g->nr_lines - 1]);
		g->line_used = 0;
	} else if (c != '\r' && g->line_used < LINE - 1) {
		g->lines[g->nr_lines - 1][g->line_used++] = c;
	}
}

/* A port that nothing is behind reads as 0: a timer that read as ones would keep Linux waiting. */
static void port_io(struct linux_guest *g)
{
	struct kvm_run *run = g->vcpu->run;
	u8 *data = (u8 *)run + run->io.data_offset;
	unsigned int reg = run->io.port - SERIAL_PORT;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, 0, run->io.size);
		if (reg < UART_REGISTERS)
			*data = uart_read(&g->uart, reg);
	} else if (reg < UART_REGISTERS && uart_write(&g->uart, reg, *data)) {
		console(g, *data);
	}
}

static void convert(struct linux_guest *g, u64 gpa, u64 size, bool private)
{
	if (private)
		vm_set_private(g->vm, gpa, size);
	else
		vm_set_shared(g->vm, gpa, size);
	g->shared += private ? -size : size;
}

static void hypercall(struct linux_guest *g)
{
	struct kvm_run *run = g->vcpu->run;

	expect_eq(run->hypercall.nr, KVM_HC_MAP_GPA_RANGE, "the guest's hypercall");
	convert(g, run->hypercall.args[0], run->hypercall.args[1] * SZ_4K,
		run->hypercall.args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED);
	run->hypercall.ret = 0;
}

static void handle_exit(struct linux_guest *g)
{
	struct kvm_run *run = g->vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		port_io(g);
		break;
	case KVM_EXIT_HYPERCALL:
		hypercall(g);
		break;
	default:
		test_failed(__FILE__, __LINE__, "what ends KVM_RUN", "an exit to answer",
			    exit_text(g->vcpu));
	}
}

void linux_guest_run(struct linux_guest *g)
{
	for (;;) {
		int ret = __guest_run(g->vcpu);

		if (ret && errno == EINTR)
			continue;
		expect_ok(ret, "KVM_RUN (%s)", exit_text(g->vcpu));
		if (g->vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN)
			return;
		handle_exit(g);
	}
}

bool linux_guest_said(const struct linux_guest *g, const char *text)
{
	for (size_t i = 0; i < g->nr_lines; i++)
		if (strstr(g->lines[i], text))
			return true;
	return false;
}

u64 linux_guest_shared(const struct linux_guest *g)
{
	return g->shared;
}
