// SPDX-License-Identifier: MIT
// The statements of each version of the recording.
//
// Enum columns are TEXT, so that plain `sqlite3` shows words; their CHECKs are chains of OR with
// the usual value first, because SQLite builds a temporary table for `IN (…)` at each insert.
// The indexes are what `hark ls` and the start of the daemon need and no more: each one makes the
// recording slower. The one on `state` holds only what is not simply done.
#include "schema.h"

#define URL                                                                             \
    "nullif(\n"                                                                         \
    "    CASE WHEN host IS NULL THEN ''\n"                                              \
    "      ELSE coalesce(scheme || '://', '')\n"                                        \
    "        || CASE WHEN instr(host, ':') > 0 THEN '[' || host || ']' ELSE host END\n" \
    "        || CASE WHEN port IS NULL OR (scheme = 'http' AND port = 80)\n"            \
    "            OR (scheme = 'https' AND port = 443) THEN '' ELSE ':' || port END\n"   \
    "      END\n"                                                                       \
    "    || CASE path WHEN '*' THEN '' ELSE coalesce(path, '') END\n"                   \
    "    || coalesce('?' || query, ''), '')"

#define HEADERS_OF(side)                                                              \
    "SELECT exchange.id AS exchange_id, '" side "' AS side, field.key AS position,\n" \
    "  lower(json_extract(field.value, '$[0]')) AS name,\n"                           \
    "  json_extract(field.value, '$[1]') AS value\n"                                  \
    "FROM exchange, json_each(exchange." side "_headers) AS field"

// The longest text that SQLite can hold.
#define TEXT_MAX "1000000000"

static const char *const version_1[] = {
    "CREATE TABLE session (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  started_us INTEGER NOT NULL, -- Unix microseconds\n"
    "  ended_us INTEGER,            -- NULL while it runs, or if it crashed\n"
    "  state TEXT NOT NULL CHECK (state = 'running' OR state = 'ended' OR state = 'crashed'\n"
    "    OR state = 'damaged'),\n"
    "  version TEXT NOT NULL,       -- of hark\n"
    "  command TEXT,\n"
    "  settings TEXT,               -- JSON object\n"
    "  pid INTEGER NOT NULL,\n"
    "  next_exchange_id INTEGER NOT NULL,\n"
    "  lost_exchanges INTEGER NOT NULL DEFAULT 0, -- not recorded, because the disk refused\n"
    "  lost_bytes INTEGER NOT NULL DEFAULT 0\n"
    ") STRICT",

    "CREATE TABLE exchange (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  session_id INTEGER NOT NULL REFERENCES session (id),\n"
    "  source TEXT NOT NULL CHECK (source = 'proxy' OR source = 'replay' OR source = 'import'\n"
    "    OR source = 'playback'),\n"
    "  replay_of INTEGER,           -- id of another exchange\n"
    "  started_us INTEGER NOT NULL, -- Unix microseconds\n"
    "  duration_us INTEGER,\n"
    "  dns_us INTEGER,\n"
    "  connect_us INTEGER,\n"
    "  tls_us INTEGER,\n"
    "  send_us INTEGER,\n"
    "  wait_us INTEGER,\n"
    "  receive_us INTEGER,\n"
    "  kind TEXT NOT NULL CHECK (kind = 'http' OR kind = 'tunnel' OR kind = 'websocket'),\n"
    "  state TEXT NOT NULL CHECK (state = 'done' OR state = 'pending' OR state = 'client-abort'\n"
    "    OR state = 'upstream-error' OR state = 'truncated' OR state = 'interrupted'),\n"
    "  error TEXT,                  -- stable code\n"
    "  error_text TEXT,             -- for people\n"
    "  client_addr TEXT,\n"
    "  method TEXT,\n"
    "  scheme TEXT,\n"
    "  host TEXT,\n"
    "  port INTEGER,\n"
    "  path TEXT,\n"
    "  query TEXT,\n"
    "  request_version TEXT,\n"
    "  request_size INTEGER,        -- bytes of body as on the wire\n"
    "  request_type TEXT,           -- media type\n"
    "  status INTEGER,\n"
    "  reason TEXT,\n"
    "  response_version TEXT,\n"
    "  response_size INTEGER,\n"
    "  response_type TEXT,\n"
    "  response_encoding TEXT,      -- Content-Encoding, NULL for none\n"
    "  server_addr TEXT,\n"
    "  tls_version TEXT,\n"
    "  tls_cipher TEXT,\n"
    "  server_cert TEXT,            -- JSON object\n"
    "  body_truncated INTEGER NOT NULL CHECK (body_truncated = 0 OR body_truncated = 1),\n"
    "  headers_latin1 INTEGER NOT NULL CHECK (headers_latin1 = 0 OR headers_latin1 = 1),\n"
    "  request_headers TEXT NOT NULL, -- JSON [[\"Name\",\"value\"],...] in wire order\n"
    "  request_trailers TEXT,\n"
    "  response_headers TEXT,\n"
    "  response_trailers TEXT,\n"
    "  interim TEXT                 -- JSON [{\"status\":103,\"headers\":[...]},...]\n"
    ") STRICT",

    "CREATE INDEX exchange_host ON exchange (host)",

    "CREATE INDEX exchange_started ON exchange (started_us)",

    "CREATE INDEX exchange_state ON exchange (state) WHERE state <> 'done'",

    "CREATE TABLE body (\n"
    "  exchange_id INTEGER NOT NULL REFERENCES exchange (id) ON DELETE CASCADE,\n"
    "  side TEXT NOT NULL CHECK (side = 'response' OR side = 'request'),\n"
    "  seq INTEGER NOT NULL,        -- from 0\n"
    "  at_us INTEGER NOT NULL,      -- since the start of the exchange\n"
    "  data ANY NOT NULL,           -- TEXT, or BLOB where it is not UTF-8 or holds a NUL\n"
    "  UNIQUE (exchange_id, side, seq)\n"
    ") STRICT",

    "CREATE TABLE message (\n"
    "  exchange_id INTEGER NOT NULL REFERENCES exchange (id) ON DELETE CASCADE,\n"
    "  seq INTEGER NOT NULL,\n"
    "  at_us INTEGER NOT NULL,\n"
    "  direction TEXT NOT NULL CHECK (direction = 'send' OR direction = 'receive'),\n"
    "  opcode INTEGER NOT NULL,     -- RFC 6455\n"
    "  data ANY NOT NULL,\n"
    "  UNIQUE (exchange_id, seq)\n"
    ") STRICT",

    "CREATE TABLE note (\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  exchange_id INTEGER NOT NULL REFERENCES exchange (id) ON DELETE CASCADE,\n"
    "  created_us INTEGER NOT NULL,\n"
    "  is_mark INTEGER NOT NULL CHECK (is_mark = 0 OR is_mark = 1),\n"
    "  text TEXT\n"
    ") STRICT",

    "CREATE INDEX note_exchange ON note (exchange_id)",

    "CREATE VIEW traffic AS SELECT\n"
    "  id,\n"
    "  strftime('%Y-%m-%dT%H:%M:%fZ', started_us / 1000 / 1000.0, 'unixepoch') AS started_at,\n"
    "  method,\n"
    "  " URL " AS url,\n"
    "  status,\n"
    "  round(duration_us / 1000.0, 1) AS ms,\n"
    "  request_size,\n"
    "  response_size,\n"
    "  response_type AS type,\n"
    "  state,\n"
    "  error,\n"
    "  client_addr AS client,\n"
    "  source\n"
    "FROM exchange",

    "CREATE VIEW header AS\n" HEADERS_OF("request") "\nUNION ALL\n" HEADERS_OF("response"),

    // The inner ORDER BY is kept for group_concat(): SQLite drops it only where no aggregate could
    // tell.
    "CREATE VIEW body_text AS SELECT\n"
    "  body.exchange_id AS exchange_id,\n"
    "  body.side AS side,\n"
    "  (SELECT group_concat(data, '') FROM (\n"
    "    SELECT part.data FROM body AS part\n"
    "    WHERE part.exchange_id = body.exchange_id AND part.side = body.side\n"
    "    ORDER BY part.seq)) AS text\n"
    "FROM body JOIN exchange ON exchange.id = body.exchange_id\n"
    "WHERE body.seq = 0\n"
    "  AND NOT EXISTS (\n"
    "    SELECT 1 FROM body AS part\n"
    "    WHERE part.exchange_id = body.exchange_id AND part.side = body.side\n"
    "      AND typeof(part.data) <> 'text')\n"
    "  AND CASE body.side\n"
    "    WHEN 'response' THEN exchange.response_encoding IS NULL\n"
    "      AND coalesce(exchange.response_size, 0) <= " TEXT_MAX "\n"
    "    ELSE coalesce(exchange.request_size, 0) <= " TEXT_MAX "\n"
    "      AND NOT EXISTS (\n"
    "        SELECT 1 FROM json_each(exchange.request_headers) AS field\n"
    "        WHERE lower(json_extract(field.value, '$[0]')) = 'content-encoding'\n"
    "          AND lower(json_extract(field.value, '$[1]')) <> 'identity')\n"
    "    END",

    "CREATE VIEW host_stats AS SELECT\n"
    "  host,\n"
    "  count(*) AS requests,\n"
    "  sum(state NOT IN ('done', 'pending') OR coalesce(status >= 400, 0)) AS errors,\n"
    "  sum(coalesce(request_size, 0) + coalesce(response_size, 0)) AS bytes,\n"
    "  round(avg(duration_us) / 1000.0, 1) AS avg_ms\n"
    "FROM exchange GROUP BY host",
    NULL,
};

// HTTPS: the name the client's TLS hello asked for; WebSocket: whether a message is still
// compressed (RFC 7692).
static const char *const version_2[] = {
    "ALTER TABLE exchange ADD COLUMN sni TEXT",
    "ALTER TABLE message ADD COLUMN is_compressed INTEGER NOT NULL DEFAULT 0",
    NULL,
};

#define TEXT_OF(number)      TEXT_OF_VALUE(number)
#define TEXT_OF_VALUE(value) #value

// What people look for among many, by id, and with all that these filters compare, so that the
// table itself is not read: a host with a method, and what is not an ordinary answer. The parts of
// the second one's condition are written as filters write them.
static const char *const version_3[] = {
    "DROP INDEX exchange_host",
    "CREATE INDEX exchange_host ON exchange (host, id, method)",
    "CREATE INDEX exchange_notable ON exchange (id, status, state, kind, source, error)\n"
    "  WHERE status >= " TEXT_OF(
        SCHEMA_NOTABLE_STATUS) "\n"
                               "    OR (error IS NOT NULL OR (state <> 'done' AND state <> 'pending'))\n"
                               "    OR kind <> 'http'\n"
                               "    OR source <> 'proxy'",
    NULL,
};

const struct migration schema_migrations[] = {
    {1, version_1},
    {2, version_2},
    {3, version_3},
};

const size_t schema_migration_count = sizeof(schema_migrations) / sizeof(schema_migrations[0]);

int schema_version(void)
{
    return schema_migrations[schema_migration_count - 1].version;
}

const char *schema_side_name(enum body_side side)
{
    return side == BODY_REQUEST ? "request" : "response";
}
