// SPDX-License-Identifier: MIT
// What cannot be read is never passed over: the file may say what must not reach the disk. Only a
// place where there is nothing leads to the next one.
#include "config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PIPE_FILE_SYSTEM 0x50495045 // PIPEFS_MAGIC, statfs(2)

const char *config_get_env(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++) {
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return (*environment)[length + 1] == '\0' ? NULL : *environment + length + 1;
    }
    return NULL;
}

// --- opening -------------------------------------------------------------------------------------

// A pipe of the shell, "--config <(…)", has a writer, unlike one with a name.
static bool is_shell_pipe(int fd)
{
    struct statfs file_system;
    return fstatfs(fd, &file_system) == 0 && file_system.f_type == PIPE_FILE_SYSTEM;
}

// A reload may read neither what is empty by then nor what makes it wait.
static int check_kind(int fd, const char *name, bool is_reload, struct err *err)
{
    struct stat stat;
    if (fstat(fd, &stat) < 0)
        return err_set(err, "config: open %s: %s", name, strerror(errno));
    bool is_null = S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(1, 3);
    if (S_ISREG(stat.st_mode) || is_null)
        return 0;
    if (S_ISDIR(stat.st_mode))
        return err_set(err, "config: open %s: %s", name, strerror(EISDIR));
    if (!S_ISCHR(stat.st_mode) && !is_shell_pipe(fd))
        return err_set(err, "config: open %s: no regular file", name);
    if (is_reload)
        return err_set(err, "config: open %s: no regular file, which could be read again", name);
    fcntl(fd, F_SETFL, 0); // wait for the writer
    return 0;
}

static int open_named(const struct config_sources *sources, const char *name,
                      struct config_file *file, struct err *err)
{
    bool is_reload = sources->known_file != NULL;
    const char *mend = sources->file != NULL || is_reload
                           ? ""
                           : "; make it readable, or name another with --config";
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(err, "config: open %s: %s%s", name, strerror(errno), mend);
    if (check_kind(fd, name, is_reload, err) != 0) {
        close(fd);
        return -1;
    }
    *file = (struct config_file){.stream = fdopen(fd, "r"), .name = name};
    return file->stream != NULL ? 0 : err_set(err, "config: open %s: %s", name, strerror(errno));
}

// A link that leads nowhere is something.
static bool is_nothing_there(const char *name)
{
    struct stat stat;
    return lstat(name, &stat) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

static bool is_same(const char *name, const char *other)
{
    return other != NULL && strcmp(name, other) == 0;
}

static int open_first(const struct config_sources *sources, struct arena *arena,
                      struct config_file *file, struct err *err)
{
    const char *xdg = config_get_env(sources->environ, "XDG_CONFIG_HOME");
    const char *home = config_get_env(sources->environ, "HOME");
    const char *places[] = {
        xdg != NULL && xdg[0] == '/' ? arena_printf(arena, "%s/hark/hark.conf", xdg) : NULL,
        home != NULL ? arena_printf(arena, "%s/.config/hark/hark.conf", home) : NULL,
        "/etc/hark/hark.conf",
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (places[i] == NULL)
            continue;
        if (!is_nothing_there(places[i]))
            return open_named(sources, places[i], file, err);
        if (is_same(places[i], sources->known_file))
            return err_set(err,
                           "config: %s, which was read before, is gone; put it back (it may be "
                           "empty), or restart hark",
                           places[i]);
    }
    return 0;
}

int config_file_open(const struct config_sources *sources, struct arena *arena,
                     struct config_file *file, struct err *err)
{
    *file = (struct config_file){0};
    if (sources->file == NULL)
        return open_first(sources, arena, file, err);
    return open_named(sources, arena_strdup(arena, sources->file), file, err);
}

void config_file_close(struct config_file *file)
{
    if (file->stream != NULL)
        fclose(file->stream);
    file->stream = NULL;
}

// --- reading -------------------------------------------------------------------------------------

static bool is_comment(const char *line)
{
    line += strspn(line, " \t");
    return *line == '#' || *line == ';';
}

int config_file_read_line(struct config_file *file, char *line, size_t size, struct err *err)
{
    size_t length = 0;
    size_t max = size - 2; // with its end
    int c = getc(file->stream);
    if (c == EOF)
        return 0;
    file->line++;
    for (; c != EOF && c != '\n'; c = getc(file->stream)) {
        if (c == '\0')
            return err_set(err, "%s:%d: a zero byte", file->name, file->line);
        if (length < max) {
            line[length++] = (char)c;
            line[length] = '\0';
        } else if (!is_comment(line)) {
            return err_set(err, "%s:%d: longer than %zu bytes; go on in an indented line",
                           file->name, file->line, max);
        }
    }
    line[length++] = '\n';
    line[length] = '\0';
    return 1;
}
