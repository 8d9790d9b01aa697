// SPDX-License-Identifier: GPL-2.0-only
/* The command line of a test program. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "explore.h"
#include "runner/options.h"

static void usage(FILE *out, const char *program, const char *summary)
{
	fprintf(out,
		"%s: %s\n"
		"usage: %s [options]\n"
		"  --list             list the cases: name, boot, flags, limit, summary\n"
		"  --describe         all that the cases declare, as JSON\n"
		"  --case GLOB        only cases whose name matches; may be repeated\n"
		"  --boot NAME        only cases for hosts booted as NAME\n"
		"  --seed N           seed of everything random (printed by each run)\n"
		"  --nightly          include the long cases\n"
		"  --explore          races under the schedules that the emulator was asked for\n"
		"  --allow-host-wide  run cases that change what other users of this host see\n"
		"  --fail-fast        skip what follows the first failure\n"
		"  --dry-run          say what the cases would change, run nothing\n"
		"  --events           print what happened in each case, in order of time\n"
		"  --verbose          more diagnostics\n"
		"  --help             show this help\n"
		"Exit: 0 passed, 1 failed, 2 wrong usage, %d all skipped.\n",
		program, summary, program, KSFT_SKIP);
}

void parse_options(struct options *opt, int argc, char **argv, const char *summary)
{
	static const struct option longopts[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "describe", no_argument, NULL, 'D' },
		{ "case", required_argument, NULL, 'c' },
		{ "boot", required_argument, NULL, 'b' },
		{ "seed", required_argument, NULL, 's' },
		{ "nightly", no_argument, NULL, 'n' },
		{ "explore", no_argument, NULL, 'x' },
		{ "allow-host-wide", no_argument, NULL, 'w' },
		{ "fail-fast", no_argument, NULL, 'f' },
		{ "dry-run", no_argument, NULL, 'd' },
		{ "events", no_argument, NULL, 'e' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct timespec ts;
	char *end;
	int c;

	clock_gettime(CLOCK_REALTIME, &ts);
	opt->seed = (ts.tv_sec ^ (u64)ts.tv_nsec << 20) & 0xffffffff;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'l':
			opt->list = true;
			break;
		case 'D':
			opt->describe = true;
			break;
		case 'c':
			if (opt->nr_patterns == MAX_PATTERNS)
				goto bad;
			opt->patterns[opt->nr_patterns++] = optarg;
			break;
		case 'b':
			opt->boot = optarg;
			break;
		case 's':
			opt->seed = strtoull(optarg, &end, 0);
			if (!*optarg || *end)
				goto bad;
			break;
		case 'n':
			opt->nightly = true;
			break;
		case 'x':
			explore_all();
			break;
		case 'w':
			opt->allow_host_wide = true;
			break;
		case 'f':
			opt->fail_fast = true;
			break;
		case 'd':
			opt->dry_run = true;
			break;
		case 'e':
			opt->events = true;
			break;
		case 'v':
			opt->verbose = true;
			break;
		case 'h':
			usage(stdout, argv[0], summary);
			exit(0);
		default:
			goto bad;
		}
	}
	if (optind == argc)
		return;
bad:
	usage(stderr, argv[0], summary);
	exit(2);
}
