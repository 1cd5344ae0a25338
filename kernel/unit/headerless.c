/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Built only while there is no index of headers: every unit gets the full includes. */
#include "kernel/unit/headers.h"
struct headers {
    int unused;
};
struct headers *headers_new(void){return must_alloc(4);}
void headers_free(struct headers*h){free(h);}
void headers_set_flags(struct headers *headers, const char *const *flags, size_t n){}
int headers_update(struct headers *headers, const struct include_line *includes, size_t n,struct error *err){return 0;}
bool headers_is_type(const struct headers *headers, const char *name, size_t size){return false;}
bool headers_is_visible(const struct headers *headers, const char *name, size_t size){return false;}
const char *headers_macro(const struct headers *headers, const char *name, size_t size){return NULL;}
void headers_each(const struct headers *headers, const char *prefix,void (*each)(void *context, const char *name, bool is_macro),void *context){}
const char *headers_declaration(const struct headers *headers, const char *name){return NULL;}
int headers_prologue(struct headers *headers, const struct graph *graph, const char *text,
                     size_t size, const char *const *hidden, size_t n_hidden,
                     const uint32_t *also, size_t n_also, struct buffer *out,
                     uint32_t **used, size_t *n_used, struct error *err){return 1;}
