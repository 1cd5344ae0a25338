/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/pieces.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "pickler/base/file.h"
#include "pickler/base/nameless.h"

#define PAGE ((uint64_t)4096)
#define COPY_AT_ONCE ((size_t)1 << 20)

static struct piece **bucket_of(struct pieces *pieces, const void *hash)
{
    uint32_t number;
    memcpy(&number, hash, sizeof(number));
    return &pieces->buckets[number % PIECES_BUCKETS];
}

struct piece *pieces_find(struct pieces *pieces, const void *hash)
{
    struct piece *piece = *bucket_of(pieces, hash);
    while (piece && memcmp(piece->hash, hash, sizeof(piece->hash)) != 0)
        piece = piece->next;
    return piece;
}

static void close_file(struct pieces *pieces, struct piece_file *file)
{
    if (file == pieces->memory || file == pieces->disk)
        return;
    pieces->n_foreign--;
    close(file->fd);
    free(file);
}

/* Gives the room back; the file's length stays. */
static void free_piece(struct pieces *pieces, struct piece *piece)
{
    struct piece_file *file = piece->file;
    struct piece **at = bucket_of(pieces, piece->hash);
    while (*at != piece)
        at = &(*at)->next;
    *at = piece->next;
    bool is_own = file == pieces->memory || file == pieces->disk;
    if (is_own) /* part of it may be there; where that cannot be, the room comes with our
                   end */
        (void)!fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         (off_t)piece->offset, (off_t)piece->size);
    if (!--file->n_pieces)
        close_file(pieces, file);
    free(piece);
}

void pieces_clear(struct pieces *pieces)
{
    for (size_t i = 0; i < PIECES_BUCKETS; i++)
        while (pieces->buckets[i])
            free_piece(pieces, pieces->buckets[i]);
    for (int i = 0; i < 2; i++) {
        struct piece_file **file = i ? &pieces->memory : &pieces->disk;
        if (*file)
            close((*file)->fd);
        free(TAKE(*file));
    }
}

/* Those without users go, the oldest first. */
static void trim(struct pieces *pieces)
{
    while (pieces->unused_bytes > PIECES_UNUSED_BYTES) {
        struct piece *oldest = NULL;
        for (size_t i = 0; i < PIECES_BUCKETS; i++)
            for (struct piece *at = pieces->buckets[i]; at; at = at->next)
                if (!at->n_users && (!oldest || at->used < oldest->used))
                    oldest = at;
        if (!oldest)
            return;
        pieces->unused_bytes -= oldest->size;
        free_piece(pieces, oldest);
    }
}

static void drop_user(struct pieces *pieces, struct piece *piece)
{
    if (--piece->n_users)
        return;
    if (piece->is_here)
        pieces->unused_bytes += piece->size;
    else
        free_piece(pieces, piece);
}

void pieces_release(struct pieces *pieces, struct piece **taken, size_t n)
{
    for (size_t i = 0; i < n; i++)
        drop_user(pieces, taken[i]);
    trim(pieces);
}

static int open_own(bool is_disk, struct piece_file **file, struct error *err)
{
    if (*file)
        return 0;
    int fd = is_disk ? nameless_file() : memfd_create("achar-pieces", MFD_CLOEXEC);
    if (is_disk ? fd < 0 : fd == -1)
        return error_errno(err, is_disk ? fd : -errno, "cannot keep the payload's %s",
                           is_disk ? "files" : "values");
    *file = must_alloc(sizeof(**file));
    (*file)->fd = fd;
    return 0;
}

struct taking {
    struct pieces *pieces;
    struct piece **taken;
    size_t n;
    uint64_t values_at; /* where the stream of values begins in our memory */
    bool has_values;    /* some of them are new */
    bool is_wrong;      /* one of them has another size than this payload says */
};

static void take(void *context, const struct recipe_piece *from, uint64_t offset,
                 bool is_file)
{
    struct taking *taking = context;
    struct pieces *pieces = taking->pieces;
    struct piece *piece = pieces_find(pieces, from->hash);
    if (!piece) {
        struct piece **bucket = bucket_of(pieces, from->hash);
        piece = must_alloc(sizeof(*piece));
        memcpy(piece->hash, from->hash, sizeof(piece->hash));
        piece->size = from->size;
        piece->file = is_file ? pieces->disk : pieces->memory;
        piece->offset = is_file ? piece->file->end : taking->values_at + offset;
        piece->file->end += is_file ? from->size : 0;
        piece->file->n_pieces++;
        taking->has_values |= !is_file;
        piece->next = *bucket;
        *bucket = piece;
    } else if (!piece->n_users && piece->is_here) {
        pieces->unused_bytes -= piece->size;
    }
    piece->n_users++;
    piece->used = ++pieces->clock;
    taking->is_wrong |= piece->size != from->size;
    taking->taken[taking->n++] = piece;
}

int pieces_take(struct pieces *pieces, const struct recipe *recipe, struct piece ***ret,
                struct error *err)
{
    int r = open_own(false, &pieces->memory, err);
    if (r == 0 && recipe->n_files)
        r = open_own(true, &pieces->disk, err);
    if (r < 0)
        return r;
    struct piece_file *memory = pieces->memory;
    struct taking taking = {
        .pieces = pieces,
        .taken = must_alloc((recipe->n_hashed + 1) * sizeof(struct piece *)),
        .values_at = (memory->end + PAGE - 1) / PAGE * PAGE};
    recipe_visit(recipe, &(struct recipe_user){&taking, take});
    if (taking.has_values)
        memory->end = taking.values_at + recipe->values.size;
    if (!taking.is_wrong && ftruncate(memory->fd, (off_t)memory->end) == 0) {
        *ret = taking.taken;
        return 0;
    }
    pieces_release(pieces, taking.taken, taking.n);
    free(taking.taken);
    return error_set(err, -EBADMSG, "the payload's pieces cannot be kept");
}

static int no_room(const struct pieces *pieces, const struct piece *piece, int r,
                   struct error *err)
{
    return piece->file == pieces->disk
               ? error_errno(err, r,
                             "there is no room for the payload's files in '%s' (TMPDIR "
                             "says where they go)",
                             temporary_folder())
               : error_errno(err, r, "there is no room for the payload's values");
}

int pieces_fill(struct pieces *pieces, struct piece *piece, const void *data, size_t size,
                struct error *err)
{
    if (piece->is_here)
        return 0;
    if (size != piece->size)
        return error_set(err, -EBADMSG, "a piece of the payload is not there");
    int r = write_all_at(piece->file->fd, data, size, piece->offset);
    if (r < 0)
        return no_room(pieces, piece, r, err);
    piece->is_here = true;
    return 0;
}

struct piece_file *pieces_foreign(struct pieces *pieces, int fd)
{
    struct piece_file *file = must_alloc(sizeof(*file));
    file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    file->n_pieces = 1; /* until it is done */
    pieces->n_foreign++;
    return file;
}

void pieces_foreign_done(struct pieces *pieces, struct piece_file *file)
{
    if (!--file->n_pieces)
        close_file(pieces, file);
}

static int copy(struct pieces *pieces, struct piece *piece, int from, uint64_t offset,
                struct error *err)
{
    CLEANUP(freep) char *room = must_realloc(NULL, COPY_AT_ONCE, 1);
    for (uint64_t done = 0; done < piece->size;) {
        uint64_t left = piece->size - done;
        size_t n = left < COPY_AT_ONCE ? (size_t)left : COPY_AT_ONCE;
        int r = read_all_at(from, room, n, offset + done);
        if (r < 0)
            return error_errno(err, r, "cannot read a piece of the payload");
        r = write_all_at(piece->file->fd, room, n, piece->offset + done);
        if (r < 0)
            return no_room(pieces, piece, r, err);
        done += n;
    }
    return 0;
}

int pieces_fill_from(struct pieces *pieces, struct piece *piece, struct piece_file *file,
                     uint64_t offset, struct error *err)
{
    struct stat about;
    if (piece->is_here)
        return 0;
    if (fstat(file->fd, &about) < 0)
        return error_errno(err, -errno, "cannot look at the file of a payload's pieces");
    if ((uint64_t)about.st_size < piece->size ||
        (uint64_t)about.st_size - piece->size < offset)
        return error_set(err, -EBADMSG, "a piece of the payload is not there");
    if (pieces->n_foreign > PIECES_FILES_MAX) {
        int r = copy(pieces, piece, file->fd, offset, err);
        piece->is_here = r == 0;
        return r;
    }
    piece->file->n_pieces--;
    piece->file = file;
    piece->offset = offset;
    piece->is_here = true;
    file->n_pieces++;
    return 0;
}

int piece_file_open(const struct piece_file *file)
{
    CLEANUP(freep) char *path = must_format("/proc/self/fd/%d", file->fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}
