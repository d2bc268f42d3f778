/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* gateway: internet, egress-only and NAT gateways of the image.
 *
 * Shape    hg_header.gateways has the internet gateways, then the egress-only ones; 'nats' the
 *          NAT gateways; all in model order, from 1. Forwards lie one NAT gateway after
 *          another.
 * Owner    Appends to the image of 'b'; fills the tables of 'head'.
 * Errors   -ENOMEM, -E2BIG.
 */
#include "compile/build.h"

int gateways_write(struct build *b, struct hg_header *head);
