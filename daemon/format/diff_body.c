// SPDX-License-Identifier: MIT
// Comparing two bodies, by what they are.
#include "diff_private.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <string.h>

#define DIGEST_BYTES 32

// --- as bytes ------------------------------------------------------------------------------------

struct digest {
    unsigned char bytes[DIGEST_BYTES];
};

static int on_digested(void *ctx, const void *data, size_t length)
{
    gnutls_hash((gnutls_hash_hd_t)ctx, data, length);
    return 0;
}

static int digest_body(const struct body_view *body, struct digest *digest, struct err *err)
{
    gnutls_hash_hd_t hash = NULL;
    int code = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256);
    if (code < 0)
        return err_set(err, "SHA-256: %s", gnutls_strerror(code));
    int result = body_view_walk(body, on_digested, hash, err);
    gnutls_hash_deinit(hash, digest->bytes);
    return result;
}

static void describe(const struct body_view *body, const struct digest *digest, struct buffer *out)
{
    buffer_printf(out, "%" PRId64 " bytes, SHA-256 ", body->shown_bytes);
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        buffer_printf(out, "%02x", digest->bytes[i]);
}

static int compare_bytes(struct diff *diff, const struct body_view *first,
                         const struct body_view *second, const char *note, struct err *err)
{
    struct digest first_digest, second_digest;
    if (digest_body(first, &first_digest, err) < 0 || digest_body(second, &second_digest, err) < 0)
        return -1;
    if (memcmp(&first_digest, &second_digest, sizeof(first_digest)) == 0)
        return 0;
    struct buffer old = {0};
    struct buffer new = {0};
    describe(first, &first_digest, &old);
    describe(second, &second_digest, &new);
    diff_tell(diff, &(struct difference){.where = "body",
                                         .path = "",
                                         .kind = DIFFERENCE_CHANGED,
                                         .old = {old.data, old.length},
                                         .new = {new.data, new.length},
                                         .note = note});
    buffer_fini(&old);
    buffer_fini(&new);
    return 0;
}

// --- as text -------------------------------------------------------------------------------------

static int on_text(void *ctx, const void *data, size_t length)
{
    buffer_append(ctx, data, length);
    return 0;
}

static int read_text(const struct body_view *body, struct buffer *text, struct err *err)
{
    struct charset_reader *charset = body_view_charset(body, err);
    int result = err->is_set ? -1 : body_view_walk_text(body, charset, on_text, text, err);
    charset_reader_destroy(charset);
    buffer_append(text, "", 0); // NUL-terminated also when empty
    return result;
}

static int compare_texts(struct diff *diff, const struct body_view *first,
                         const struct body_view *second, struct err *err)
{
    struct buffer old = {0};
    struct buffer new = {0};
    struct err unreadable = {0};
    int result = 0;
    if (read_text(first, &old, &unreadable) < 0 || read_text(second, &new, &unreadable) < 0)
        result = compare_bytes(diff, first, second, unreadable.text, err);
    else if (!diff_json(diff, &old, &new))
        diff_lines(diff, "body", &old, &new);
    buffer_fini(&old);
    buffer_fini(&new);
    return result;
}

// --- as what they are ----------------------------------------------------------------------------

static void tell_cut(struct diff *diff, const struct body_view *body, const char *which)
{
    if (!body->is_cut)
        return;
    struct buffer note = {0};
    buffer_printf(&note, "of the %s body only the first %" PRId64 " bytes were recorded", which,
                  body->wire_bytes);
    diff_tell(diff,
              &(struct difference){
                  .where = "body", .path = "", .kind = DIFFERENCE_UNKNOWN, .note = note.data});
    buffer_fini(&note);
}

static bool is_same_whole(const struct body_view *first, const struct body_view *second)
{
    return first->is_whole && second->is_whole && first->head.length == second->head.length &&
           (first->head.length == 0 ||
            memcmp(first->head.data, second->head.data, first->head.length) == 0);
}

static int compare_views(struct diff *diff, const struct body_view *first,
                         const struct body_view *second, struct err *err)
{
    if (is_same_whole(first, second))
        return 0;
    if (!first->is_whole || !second->is_whole)
        return compare_bytes(diff, first, second, "over 4 MiB: compared as a whole", err);
    if (!body_view_is_text(first) || !body_view_is_text(second))
        return compare_bytes(diff, first, second, "not text: compared as a whole", err);
    return compare_texts(diff, first, second, err);
}

static int open_views(struct body_view *first_view, const struct diff_exchange *first,
                      struct body_view *second_view, const struct diff_exchange *second,
                      enum body_side side, enum body_form form, struct err *err)
{
    if (body_view_init(first_view, first->reader, first->row, side, form, err) < 0)
        return -1;
    if (body_view_init(second_view, second->reader, second->row, side, form, err) == 0)
        return 0;
    body_view_fini(first_view);
    return -1;
}

// Of what cannot be decoded to its end the bytes on the wire are compared.
static int compare_raw(struct diff *diff, const struct diff_exchange *first,
                       const struct diff_exchange *second, const char *problem, struct err *err)
{
    struct body_view first_view, second_view;
    if (open_views(&first_view, first, &second_view, second, diff->side, BODY_RAW, err) < 0)
        return -1;
    int result = compare_bytes(diff, &first_view, &second_view, problem, err);
    body_view_fini(&first_view);
    body_view_fini(&second_view);
    return result;
}

int diff_bodies(struct diff *diff, const struct diff_exchange *first,
                const struct diff_exchange *second, struct err *err)
{
    struct body_view old, new;
    if (open_views(&old, first, &new, second, diff->side, BODY_DECODED, err) < 0)
        return -1;
    tell_cut(diff, &old, "first");
    tell_cut(diff, &new, "second");
    const struct err *problem = old.problem.is_set ? &old.problem : &new.problem;
    int result = problem->is_set ? compare_raw(diff, first, second, problem->text, err)
                                 : compare_views(diff, &old, &new, err);
    body_view_fini(&old);
    body_view_fini(&new);
    return result;
}
