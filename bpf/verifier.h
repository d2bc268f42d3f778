/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#pragma once

/* verifier: the only home of code that is there for the verifier.
 *
 * Cost     No instruction.
 */

/* The compiler may add a constant to the result of a map look-up before the test for NULL
 * that guards it; then the load fails with "pointer arithmetic on map_value_or_null
 * prohibited" (6.1 to 6.18). Behind this it must take the tested pointer as it is. */
/* The same for a number: the compiler proves a bound in its own way and drops the test or
 * mask that the verifier needs to see ("offset is outside of the packet"). */
#define VERIFIER_KEEP(p) asm volatile("" : "+r"(p))

/* clang 19 may lay out a loop so that its last instruction falls through to its first.
 * Linux 6.1 takes that edge for a jump back that no loop makes ("back-edge from
 * insn"); 6.12 does not mind, and clang 14 does not do it. An unrolled loop has no edge. */
#define VERIFIER_UNROLL _Pragma("unroll")
