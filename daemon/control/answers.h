// SPDX-License-Identifier: MIT
// The routes' functions, a group for each file.
#ifndef HARK_CONTROL_ANSWERS_H
#define HARK_CONTROL_ANSWERS_H

#include "routes.h"

// --- health.c ------------------------------------------------------------------------------------
route_fn health_answer_root;
route_fn health_answer_livez;
route_fn health_answer_readyz;
route_fn health_answer_metrics;
route_fn health_answer_status;

// --- session_routes.c ----------------------------------------------------------------------------
route_fn sessions_answer_open;
route_fn sessions_answer_one;
route_fn sessions_answer_close;

// --- page.c --------------------------------------------------------------------------------------
route_fn page_answer_root;
route_fn page_answer_welcome_style;
route_fn page_answer_file;

// --- exchanges.c ---------------------------------------------------------------------------------
route_fn exchanges_answer_list;
route_fn exchanges_answer_one;

// --- event_routes.c ------------------------------------------------------------------------------
route_fn events_answer_stream;

// --- change_routes.c -----------------------------------------------------------------------------
route_fn exchanges_answer_remove;
route_fn notes_answer_put;

// --- bodies.c ------------------------------------------------------------------------------------
route_fn bodies_answer_request;
route_fn bodies_answer_response;

// --- messages.c ----------------------------------------------------------------------------------
route_fn messages_answer_list;

// --- diff_route.c --------------------------------------------------------------------------------
route_fn diff_answer;

// --- export_routes.c -----------------------------------------------------------------------------
route_fn export_answer;

// --- import_route.c ------------------------------------------------------------------------------
route_fn import_answer;
// --- replay_routes.c -----------------------------------------------------------------------------
route_fn replay_answer;
route_fn replay_answer_stop;

// --- stats_route.c -------------------------------------------------------------------------------
route_fn stats_answer;

#endif
