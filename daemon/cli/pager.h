// SPDX-License-Identifier: MIT
// The user's pager behind standard output.
#ifndef HARK_CLI_PAGER_H
#define HARK_CLI_PAGER_H

// Owner: the invocation.
struct pager;

// Starts $PAGER (default: less -FRX) and lets standard output go there. NULL where there is no
// terminal or none is wanted: then nothing has changed.
struct pager *pager_start(void);
// Ends standard output and waits until the user has seen enough. Takes NULL.
void pager_finish(struct pager *pager);

#endif
