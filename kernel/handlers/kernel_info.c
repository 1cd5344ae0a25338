/* SPDX-License-Identifier: BSD-3-Clause
 *
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#kernel-info */
#include "kernel/handlers/handler.h"

static json_t *language_info(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", "c", "version",
                     "gnu11", "mimetype", "text/x-csrc", "file_extension", ".c",
                     "pygments_lexer", "c", "codemirror_mode", "text/x-csrc",
                     "nbconvert_exporter", "script");
}

static void run_kernel_info(struct kernel *kernel, const struct request *request)
{
    reply(kernel, request,
          json_pack(
              "{s:s, s:s, s:s, s:s, s:o, s:s, s:b, s:[], s:[{s:s, s:s}, {s:s, s:s}]}",
              "status", "ok", "protocol_version", WIRE_PROTOCOL, "implementation",
              "achar", "implementation_version", ACHAR_VERSION, "language_info",
              language_info(), "banner",
              "achar " ACHAR_VERSION ": C in cells. %lsmagic lists the magics, ?name "
              "shows what a name is.",
              "debugger", 0, "supported_features", "help_links", "text", "C reference",
              "url", "https://en.cppreference.com/w/c", "text", "The GNU C library",
              "url", "https://sourceware.org/glibc/manual/latest/html_node/"));
}

const struct handler handle_kernel_info = {
    .type = "kernel_info_request",
    .channels = ON_SHELL | ON_CONTROL,
    .run = run_kernel_info,
};
