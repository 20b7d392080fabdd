// SPDX-License-Identifier: MIT
// The kernel is asked for the socket at the other end: it says whose it is (sock_diag(7)).
#include "peer.h"

#include "hark/address.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES   2048
#define ADDRESS_BYTES  16
#define IPV4_AT        12 // in an address that is mapped to IPv6
#define ALL_TCP_STATES UINT32_MAX

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 request;
};

union answer {
    struct nlmsghdr head;
    char bytes[ANSWER_BYTES];
};

static void set_end(const struct address *end, __be32 ip[static 4], __be16 *port)
{
    uint8_t bytes[ADDRESS_BYTES] = {0};
    bool is_v4 = end->storage.ss_family == AF_INET;
    address_to_bytes(end, bytes);
    memcpy(ip, bytes + (is_v4 ? IPV4_AT : 0), is_v4 ? ADDRESS_BYTES - IPV4_AT : ADDRESS_BYTES);
    *port = htons((uint16_t)address_port(end));
}

static struct question make_question(const struct address *from, const struct address *to)
{
    struct question question = {
        .head = {.nlmsg_len = sizeof(question),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_family = (uint8_t)from->storage.ss_family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_states = ALL_TCP_STATES,
                    .id = {.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    struct inet_diag_sockid *id = &question.request.id;
    set_end(from, id->idiag_src, &id->idiag_sport);
    set_end(to, id->idiag_dst, &id->idiag_dport);
    return question;
}

static bool ask_kernel(const struct question *question, union answer *answer)
{
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return false;
    ssize_t length = -1;
    if (send(fd, question, sizeof(*question), 0) == (ssize_t)sizeof(*question))
        length = recv(fd, answer, sizeof(*answer), MSG_DONTWAIT);
    close(fd);
    return length >= (ssize_t)NLMSG_LENGTH(sizeof(struct inet_diag_msg)) &&
           answer->head.nlmsg_type == SOCK_DIAG_BY_FAMILY;
}

// The socket at `from` of a connection; false if there is none on this machine.
static bool find_socket(const struct address *from, const struct address *to,
                        struct inet_diag_msg *found)
{
    struct question question = make_question(from, to);
    union answer answer;
    if (!ask_kernel(&question, &answer))
        return false;
    memcpy(found, NLMSG_DATA(&answer.head), sizeof(*found));
    // One that was closed has no owner and no inode any more.
    return found->idiag_state != TCP_LISTEN && found->idiag_inode != 0;
}

void peer_name(int fd, char name[static PEER_NAME_BYTES])
{
    struct address peer = {.length = sizeof(peer.storage)};
    struct address self = {.length = sizeof(self.storage)};
    struct inet_diag_msg found;
    name[0] = '\0';
    if (getpeername(fd, (struct sockaddr *)&peer.storage, &peer.length) != 0 ||
        getsockname(fd, (struct sockaddr *)&self.storage, &self.length) != 0)
        return;
    if (find_socket(&peer, &self, &found))
        snprintf(name, PEER_NAME_BYTES, "user %u", found.idiag_uid);
    else if (!find_socket(&self, &peer, &found)) // our own end is there
        snprintf(name, PEER_NAME_BYTES, "unknown");
    else if (!address_is_loopback(&peer))
        snprintf(name, PEER_NAME_BYTES, "elsewhere");
}
