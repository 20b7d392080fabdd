// SPDX-License-Identifier: MIT
// The columns of the table `exchange` that writer and reader handle, in the order of the table.
// What is often looked at stands before the header lists, so that a scan can stop early.
#ifndef HARK_STORE_COLUMNS_H
#define HARK_STORE_COLUMNS_H

#define EXCHANGE_COLUMNS(X) \
    X(id)                   \
    X(session_id)           \
    X(source)               \
    X(replay_of)            \
    X(started_us)           \
    X(duration_us)          \
    X(dns_us)               \
    X(connect_us)           \
    X(tls_us)               \
    X(send_us)              \
    X(wait_us)              \
    X(receive_us)           \
    X(kind)                 \
    X(state)                \
    X(error)                \
    X(error_text)           \
    X(client_addr)          \
    X(method)               \
    X(scheme)               \
    X(host)                 \
    X(port)                 \
    X(path)                 \
    X(query)                \
    X(request_version)      \
    X(request_size)         \
    X(request_type)         \
    X(status)               \
    X(reason)               \
    X(response_version)     \
    X(response_size)        \
    X(response_type)        \
    X(response_encoding)    \
    X(server_addr)          \
    X(tls_version)          \
    X(tls_cipher)           \
    X(server_cert)          \
    X(body_truncated)       \
    X(headers_latin1)       \
    X(request_headers)      \
    X(request_trailers)     \
    X(response_headers)     \
    X(response_trailers)    \
    X(interim)              \
    X(sni)

#define EXCHANGE_COLUMN_ENUM(name) COLUMN_##name,
enum exchange_column {
    EXCHANGE_COLUMNS(EXCHANGE_COLUMN_ENUM) COLUMN_COUNT
};

#endif
