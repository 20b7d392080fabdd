// SPDX-License-Identifier: MIT
// Whether a request over TCP was really meant for the page.
#ifndef HARK_CONTROL_HOST_CHECK_H
#define HARK_CONTROL_HOST_CHECK_H

#include <stdbool.h>

// Is the Host field (NULL: none came) 127.0.0.1, localhost, [::1] or the page's own address, with
// the page's port? Where the page listens on all addresses, every IP address is its own.
bool host_is_ours(const char *host, const char *page_address);

#endif
