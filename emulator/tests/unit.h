/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_H
#define UNIT_H

#include <stdio.h>

extern int failures;

#define EXPECT(cond)								\
	do {									\
		if (!(cond)) {							\
			printf("%s:%d: %s is false\n", __func__, __LINE__, #cond);	\
			failures++;						\
		}								\
	} while (0)

void test_server(void);
void test_schedule(void);
void test_explore(void);

#endif
