/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* exit: what an exit code says, of headgate and of headgated; scripts rely on these numbers.
 *
 * Shape    Handlers return one of these; main() returns it to the shell. headgated gives
 *          0, 2 and 4.
 * Units    There are exactly five, and no number changes its meaning.
 */
enum exit_code {
	EXIT_YES = 0,      /* done, or the answer is yes */
	EXIT_NO = 1,       /* the answer is no: invalid, denied, differs */
	EXIT_USAGE = 2,    /* the command was typed or fed wrongly */
	EXIT_NO_AGENT = 3, /* nobody listens at that socket */
	EXIT_REFUSED = 4,  /* the kernel or the machine refused */
};
