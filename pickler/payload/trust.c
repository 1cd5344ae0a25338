/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whose signatures are believed: the own key and the lines of trusted.txt,
 *
 *     0123...cdef  a name
 *
 * where empty lines and lines that start with # say nothing. */
#include <errno.h>
#include <string.h>

#include "pickler/payload/key.h"
#include "pickler/payload/store.h"

#define TRUSTED_FILE "trusted.txt"
#define TRUSTED_SIZE_MAX (1 << 20)
#define WRITABLE_BY_OTHERS 0022
#define NAME_SIZE_MAX 200

void sign_key_to_hex(const uint8_t key[SIGN_KEY_SIZE], char ret[SIGN_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SIGN_KEY_SIZE; i++) {
        ret[2 * i] = digits[key[i] >> 4];
        ret[2 * i + 1] = digits[key[i] & 15];
    }
    ret[SIGN_HEX_SIZE - 1] = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_hex(const char *text, size_t size, uint8_t ret[SIGN_KEY_SIZE])
{
    if (size != SIGN_HEX_SIZE - 1)
        return false;
    for (size_t i = 0; i < SIGN_KEY_SIZE; i++) {
        int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool sign_key_from_hex(const char *text, uint8_t ret[SIGN_KEY_SIZE])
{
    return parse_hex(text, strlen(text), ret);
}

/* The text of trusted.txt, empty when there is none. */
static int read_list(const char *path, struct buffer *out, struct error *err)
{
    struct error failed = {0};
    int r = store_read(path, TRUSTED_SIZE_MAX, WRITABLE_BY_OTHERS, out, &failed);
    if (r == -ENOENT)
        return 0;
    return r < 0 ? error_set(err, r, "%s", failed.text) : 0;
}

/* Reads the line at *at and moves behind it. 1: it holds a key; 0: it says nothing. */
static int parse_line(const char **at, uint8_t key[SIGN_KEY_SIZE], const char **ret_name,
                      size_t *ret_size)
{
    const char *line = *at + strspn(*at, " \t\r");
    const char *end = *at + strcspn(*at, "\n");
    *at = *end ? end + 1 : end;
    if (line >= end || *line == '#')
        return 0;
    size_t size = strcspn(line, " \t\r\n");
    if (!parse_hex(line, size, key))
        return -EBADMSG;
    *ret_name = line + size + strspn(line + size, " \t");
    while (end > *ret_name && strchr(" \t\r", end[-1]))
        end--;
    *ret_size = end > *ret_name ? (size_t)(end - *ret_name) : 0;
    return 1;
}

static int find_in_list(const char *path, const struct buffer *list,
                        const uint8_t key[SIGN_KEY_SIZE], char **ret_name,
                        struct error *err)
{
    const char *at = buffer_string(list);
    for (unsigned line = 1; *at; line++) {
        uint8_t listed[SIGN_KEY_SIZE];
        const char *name = "";
        size_t size = 0;
        int r = parse_line(&at, listed, &name, &size);
        if (r < 0)
            return error_set(err, r,
                             "'%s' line %u: a key of 64 hexadecimal digits and a name "
                             "are expected",
                             path, line);
        if (r == 0 || memcmp(listed, key, SIGN_KEY_SIZE) != 0)
            continue;
        *ret_name = must_strndup(name, size);
        return 1;
    }
    return 0;
}

static int is_own(const uint8_t key[SIGN_KEY_SIZE], struct error *err)
{
    CLEANUP(sign_key_freep) struct sign_key *own = NULL;
    struct error failed = {0};
    int r = sign_key_load(false, &own, &failed);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return error_set(err, r, "%s", failed.text);
    return memcmp(own->public, key, SIGN_KEY_SIZE) == 0;
}

int sign_is_trusted(const uint8_t key[SIGN_KEY_SIZE], char **ret_name, struct error *err)
{
    CLEANUP(freep) char *path = key_file_path(TRUSTED_FILE, err);
    if (!path)
        return -EINVAL;
    int r = is_own(key, err);
    if (r > 0)
        *ret_name = must_strdup("own key");
    if (r != 0)
        return r;
    CLEANUP(buffer_clear) struct buffer list = {0};
    r = read_list(path, &list, err);
    return r < 0 ? r : find_in_list(path, &list, key, ret_name, err);
}

static int check_name(const char *name, struct error *err)
{
    size_t size = strlen(name);
    if (!size || size > NAME_SIZE_MAX || strspn(name, " \t") == size)
        return error_set(err, -EINVAL, "the name of a key has 1 to %d characters",
                         NAME_SIZE_MAX);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return error_set(err, -EINVAL, "the name of a key is one line of text");
    return 0;
}

int sign_trust(const uint8_t key[SIGN_KEY_SIZE], const char *name, struct error *err)
{
    CLEANUP(freep) char *folder = sign_folder();
    CLEANUP(freep) char *path = key_file_path(TRUSTED_FILE, err);
    int r = path ? check_name(name, err) : -EINVAL;
    if (r < 0)
        return r;
    CLEANUP(buffer_clear) struct buffer list = {0};
    CLEANUP(buffer_clear) struct buffer out = {0};
    r = read_list(path, &list, err);
    if (r < 0)
        return r;
    for (const char *at = buffer_string(&list); *at;) {
        const char *line = at, *old_name;
        uint8_t listed[SIGN_KEY_SIZE];
        size_t size;
        if (parse_line(&at, listed, &old_name, &size) == 1 &&
            memcmp(listed, key, SIGN_KEY_SIZE) == 0)
            continue;
        buffer_add(&out, line, (size_t)(at - line));
        if (at[-1] != '\n')
            buffer_add_char(&out, '\n');
    }
    char hex[SIGN_HEX_SIZE];
    sign_key_to_hex(key, hex);
    buffer_format(&out, "%s %s\n", hex, name);
    r = store_make_folder(folder, err);
    return r < 0 ? r : store_write(path, out.data, out.size, 0600, false, err);
}
