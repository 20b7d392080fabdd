// SPDX-License-Identifier: MIT
// Two queues and a few threads under one lock. Some threads are kept free of long jobs.
#include "pool.h"

#include "hark/mem.h"
#include "priority.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#define THREADS_MAX      20
#define LONG_RUNNING_MAX 16
#define QUEUE_MAX        64 // of each lane

struct queue {
    struct pool_job *first;
    struct pool_job *last;
    size_t count;
};

// A thread of the pool. Thread: its own, but for `job`, which the lock protects.
struct pool_thread {
    struct pool *pool;
    pthread_t id;
    struct pool_job *job;        // what it does now
    struct store_reader *reader; // NULL until it is needed
    ino_t inode;                 // of the file that the reader has open
};

struct pool {
    char *db_path;
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct queue queues[POOL_LANES];
    struct pool_thread threads[THREADS_MAX];
    size_t thread_count;
    size_t idle_count;
    size_t long_running;
    bool is_stopping;
};

// --- queues --------------------------------------------------------------------------------------

static void push(struct queue *queue, struct pool_job *job)
{
    job->next = NULL;
    if (queue->last)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
    queue->count++;
}

static struct pool_job *pop(struct queue *queue)
{
    struct pool_job *job = queue->first;
    if (!job)
        return NULL;
    queue->first = job->next;
    if (!queue->first)
        queue->last = NULL;
    queue->count--;
    return job;
}

// What a free thread may do next; NULL for nothing.
static struct pool_job *next_job(struct pool *pool)
{
    struct pool_job *job = pop(&pool->queues[POOL_QUICK]);
    if (!job && pool->long_running < LONG_RUNNING_MAX)
        job = pop(&pool->queues[POOL_LONG]);
    return job;
}

// --- threads -------------------------------------------------------------------------------------

// The recording may have been set aside as damaged and begun anew since the last job.
static void open_reader(struct pool_thread *thread, struct err *err)
{
    const char *path = thread->pool->db_path;
    struct stat info = {0};
    bool is_there = stat(path, &info) == 0;
    if (thread->reader && is_there && info.st_ino == thread->inode)
        return;
    store_reader_close(thread->reader);
    thread->reader = store_reader_open(path, err);
    thread->inode = info.st_ino;
}

static void work(struct pool_thread *thread, struct pool_job *job)
{
    struct err err = {0};
    open_reader(thread, &err);
    job->run(job, thread->reader, &err);
}

// Called under the lock, which is open while the job runs.
static void run_job(struct pool_thread *thread, struct pool_job *job)
{
    struct pool *pool = thread->pool;
    bool is_long = job->lane == POOL_LONG;
    thread->job = job;
    pool->long_running += is_long;
    pthread_mutex_unlock(&pool->mutex);
    work(thread, job);
    pthread_mutex_lock(&pool->mutex);
    thread->job = NULL;
    pool->long_running -= is_long;
    pthread_mutex_unlock(&pool->mutex);
    job->release(job);
    pthread_mutex_lock(&pool->mutex);
}

static void *thread_main(void *ctx)
{
    struct pool_thread *thread = ctx;
    struct pool *pool = thread->pool;
    priority_lower();
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct pool_job *job = next_job(pool);
        if (job) {
            run_job(thread, job);
        } else if (pool->is_stopping) {
            break;
        } else {
            pool->idle_count++;
            pthread_cond_wait(&pool->has_work, &pool->mutex);
            pool->idle_count--;
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    store_reader_close(thread->reader);
    return NULL;
}

// Does nothing where there are enough; false if there is none at all.
static bool start_thread(struct pool *pool)
{
    size_t waiting = pool->queues[POOL_QUICK].count + pool->queues[POOL_LONG].count;
    if (pool->idle_count >= waiting || pool->thread_count == THREADS_MAX)
        return true;
    struct pool_thread *thread = &pool->threads[pool->thread_count];
    *thread = (struct pool_thread){.pool = pool};
    if (pthread_create(&thread->id, NULL, thread_main, thread) == 0)
        pool->thread_count++;
    return pool->thread_count > 0;
}

// --- from outside --------------------------------------------------------------------------------

struct pool *pool_create(const char *db_path)
{
    struct pool *pool = mem_calloc(1, sizeof *pool);
    pool->db_path = mem_strdup(db_path);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->has_work, NULL);
    return pool;
}

bool pool_submit(struct pool *pool, struct pool_job *job)
{
    struct queue *queue = &pool->queues[job->lane];
    pthread_mutex_lock(&pool->mutex);
    bool is_taken = !pool->is_stopping && queue->count < QUEUE_MAX;
    if (is_taken) {
        push(queue, job);
        // Nobody else takes from the queues while the lock is held and there is no thread.
        is_taken = start_thread(pool);
        if (!is_taken)
            *queue = (struct queue){0};
        pthread_cond_signal(&pool->has_work);
    }
    pthread_mutex_unlock(&pool->mutex);
    return is_taken;
}

static void cancel_all(struct pool *pool)
{
    for (size_t i = 0; i < pool->thread_count; i++)
        if (pool->threads[i].job)
            pool->threads[i].job->cancel(pool->threads[i].job);
    for (int lane = 0; lane < POOL_LANES; lane++)
        for (struct pool_job *job = pool->queues[lane].first; job; job = job->next)
            job->cancel(job);
}

void pool_stop(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->is_stopping = true;
    cancel_all(pool);
    pthread_cond_broadcast(&pool->has_work);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i].id, NULL);
    pool->thread_count = 0;
}

void pool_destroy(struct pool *pool)
{
    if (!pool)
        return;
    pthread_cond_destroy(&pool->has_work);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->db_path);
    free(pool);
}
