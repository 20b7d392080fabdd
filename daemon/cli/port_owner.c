// SPDX-License-Identifier: MIT
// /proc/net/tcp has the inode of a listening socket, /proc/PID/fd who has it open.
#include "port_owner.h"

#include "hark/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_LISTEN 0x0a

// 0: there is none.
static unsigned long listening_inode(const char *table, int port)
{
    char line[512];
    unsigned long found = 0;
    FILE *file = fopen(table, "re");
    while (file != NULL && found == 0 && fgets(line, sizeof line, file) != NULL) {
        unsigned local_port, state;
        unsigned long inode;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*d %*d %lu",
                   &local_port, &state, &inode) == 3 &&
            (int)local_port == port && state == STATE_LISTEN)
            found = inode;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static bool has_open(const char *process, const char *socket_name)
{
    char *folder_name = mem_printf("/proc/%s/fd", process);
    DIR *folder = opendir(folder_name);
    bool has = false;
    const struct dirent *entry;
    while (folder != NULL && !has && (entry = readdir(folder)) != NULL) {
        char target[64];
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        if (length > 0)
            target[length] = '\0';
        has = length > 0 && strcmp(target, socket_name) == 0;
    }
    if (folder != NULL)
        closedir(folder);
    free(folder_name);
    return has;
}

static void read_name(struct port_owner *owner)
{
    char *path = mem_printf("/proc/%d/comm", (int)owner->pid);
    FILE *file = fopen(path, "re");
    if (file != NULL && fgets(owner->name, sizeof owner->name, file) != NULL)
        owner->name[strcspn(owner->name, "\n")] = '\0';
    if (file != NULL)
        fclose(file);
    free(path);
}

static void find_process(unsigned long inode, pid_t wanted, struct port_owner *owner)
{
    char socket_name[48];
    char process[16];
    snprintf(socket_name, sizeof socket_name, "socket:[%lu]", inode);
    snprintf(process, sizeof process, "%d", (int)wanted);
    if (wanted != 0 && has_open(process, socket_name))
        owner->pid = wanted;
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    while (processes != NULL && owner->pid == 0 && (entry = readdir(processes)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) && has_open(entry->d_name, socket_name))
            owner->pid = (pid_t)strtol(entry->d_name, NULL, 10);
    if (processes != NULL)
        closedir(processes);
    if (owner->pid != 0)
        read_name(owner);
}

bool port_owner_find(int port, pid_t wanted, struct port_owner *owner)
{
    *owner = (struct port_owner){0};
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    if (inode == 0)
        inode = listening_inode("/proc/net/tcp6", port);
    if (inode == 0)
        return false;
    find_process(inode, wanted, owner);
    return true;
}
