// SPDX-License-Identifier: MIT
// Who is at the other end of a TCP connection.
#ifndef HARK_CONTROL_PEER_H
#define HARK_CONTROL_PEER_H

#define PEER_NAME_BYTES 32

// "user 1000" for a user of this machine, "elsewhere" for another machine. "" if it was somebody
// here who has gone; "unknown" for everybody if the kernel does not tell.
void peer_name(int fd, char name[static PEER_NAME_BYTES]);

#endif
