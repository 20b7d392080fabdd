// SPDX-License-Identifier: MIT
#include "process_metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static int64_t read_cpu_us(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return -1;
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void read_memory(struct process_metrics *metrics)
{
    int64_t all, resident;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL && fscanf(file, "%" SCNd64 " %" SCNd64, &all, &resident) == 2) {
        metrics->virtual_bytes = all * sysconf(_SC_PAGESIZE);
        metrics->resident_bytes = resident * sysconf(_SC_PAGESIZE);
    }
    if (file != NULL)
        fclose(file);
}

static int64_t count_open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return -1;
    int64_t count = -3; // the folder itself, "." and ".."
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

void process_metrics_read(struct process_metrics *metrics)
{
    struct rlimit limit;
    *metrics = (struct process_metrics){
        .cpu_us = read_cpu_us(), .resident_bytes = -1, .virtual_bytes = -1, .max_fds = -1};
    read_memory(metrics);
    metrics->open_fds = count_open_fds();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        metrics->max_fds = (int64_t)limit.rlim_cur;
}
