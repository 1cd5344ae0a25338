/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What our processes say to each other: the kinds of frames and the encoding of their
 * payloads (pack.h; `s` string, `b` bytes, `u` unsigned, `i` signed, `n x` a count and
 * that many). Every request is answered by exactly one frame with the same id, unless
 * marked "no answer". A request that cannot be read is answered by FRAME_BAD {s text}. */
#ifndef ACHAR_PEER_PROTOCOL_H
#define ACHAR_PEER_PROTOCOL_H

#define PROTOCOL_VERSION 1 /* both sides are built together; HELLO checks it anyway */

/* The environment of a zygote: bytes of memory that a job worker's task may have. */
#define ZYGOTE_MEMORY "ACHAR_TASK_MEMORY"

/* Signals that programs do not use, sent where SIGINT does not help (the cell handles or
 * blocks it), and to end a cell that is over its time limit. */
#define WORKER_INTERRUPT_SIGNAL 60
#define WORKER_LIMIT_SIGNAL 61
/* Asks a rank where it is. */
#define WORKER_WHERE_SIGNAL 59

enum {
    FRAME_BAD = 1,
    FRAME_HELLO =
        2, /* first frame of every helper: {u PROTOCOL_VERSION, u pid, s about}; a
              pool's goes on {u workers, s machine ("x86_64"), s libc ("glibc 2.36")} */

    /* front -> analyser */
    ANALYSER_DEFINE = 16, /* {u types_from, b types, n definition, n s forgotten names}:
                             makes them part of the analyser's memory; no answer. Replayed
                             whole after a restart. types_from below the table's length:
                             ignore the entries that are there already */
    ANALYSER_PLAN,     /* {u cell, u plan_mode, u is_compiled, s source} -> {plan}; then,
                          when is_compiled and plan_suits_tcc(), ANALYSER_OBJECT */
    ANALYSER_SEGMENTS, /* {s source, n s magic names} -> {n (u segment_kind, u line, u
                          column,    u offset, u size)}: offsets into source, in order */
    ANALYSER_COMPLETE, /* {s source, u cursor in bytes} -> {u start, u end, n (s text, s
                          type)} */
    ANALYSER_INSPECT,  /* {s source, u cursor, u detail} -> {s text or NULL} */
    ANALYSER_IS_COMPLETE, /* {s source, n s magic names} -> {s status, s indent} */
    ANALYSER_FLAGS, /* {n s}: -I, -D, -isystem of %pkg, added to every later parse; no
                       answer */

    ANALYSER_OPTIONS = 32, /* {s, s or NULL}: a compiler and flags (cc.h) for what later
                              cells define, empty: none; #define lines of what it
                              defines by itself; no answer */
    ANALYSER_EXPAND = 40,  /* {u cell, u line, s source} -> {s text or NULL, s why not}:
                              C text after macro expansion */
    ANALYSER_OBJECT = 63,  /* analyser -> front, with the id of a plan's request:
                              {u is_ok (else libtcc refuses the plan's text), b object} */
    ANALYSER_ORPHANS = 77, /* {u session of the worker, 0: none}: when the channel closes,
                              its processes are ended (orphans.h): the analyser is always
                              there and runs no code of cells; no answer */
    ANALYSER_KEEP_TYPES = 74, /* {types_pack_kept()}: the others are emptied; no answer */

    /* front -> session worker. SIGINT interrupts, and so do the signals below; sent with
     * sigqueue() the value is the id of the request that it is for */
    WORKER_RUN =
        48,      /* {b plan, b object (empty: compile plan's text by libtcc), u run_flags}
                    -> {outcome}. OUTCOME_COMPILE and _LINK leave nothing behind */
    WORKER_LINK, /* {s file or soname} -> {outcome} */
    WORKER_ADDRESS, /* {b plan, b object}: runs a plan whose value is a pointer
                       -> {outcome, u address, u elements from there to the end of its
                       object (0: unknown), u size of one element in bytes}; the address
                       is valid in this generation */
    WORKER_DUMP, /* {n s variables, u may be a file (or nothing)} -> {outcome, b values, n
                    s names of cell functions and of other variables that were met in
                    values}; where the values are in a memory file, which is the frame's
                    descriptor: {outcome, b empty, n s names, u size of them, n u cuts
                    (struct value_dump)} */
    WORKER_DUMP_AT, /* {s root name, u address, u type id, u count}: the root is an array
                       of `count` elements; what follows, and the
                       answer, are as WORKER_DUMP */
    WORKER_LOAD,    /* {b values}: sets the variables that are its roots -> {outcome} */
    WORKER_LOAD_AT, /* {u address, u type id, u count, b values}, once or more often: its
                       only root -> {outcome} of the first that is not OK, and the
                       others behind it are not loaded */
    WORKER_DYING,   /* worker -> front, from a signal handler: {outcome}, then it dies */
    WORKER_TYPES, /* {u from, b types_pack() from there on} -> {outcome}: to a new worker,
                     since the plans that it is given again need not hold every type */
    WORKER_DUMP_PIECES = 170, /* {s root name, u address, u type id, u count, u n}: n
                     arrays of `count` / n elements, one behind the other -> {outcome}, and
                     n times {b values, n s names} as WORKER_DUMP */

    WORKER_CHECKPOINT = 60, /* {u budget in bytes} -> {u pid (0: none was made), u bytes
                     of the worker's own memory, s what is in the way of one} with
                     descriptors, if one was made: its channel, where
                     it says FRAME_HELLO {} when it is ready, and its pidfd */
    WORKER_TAKE_OVER,  /* front -> checkpoint, on its own channel, when the worker has
                          ended: {u inode of the pipe that the front reads
                          stdout from} -> {u pid, n s files that were changed since}; then
                          it is the session worker. Till then it knows nothing else, and
                          ends with the channel */
    WORKER_PLACE = 62, /* {s variable} -> {outcome, u address, u size (0: there is none of
                          this name that all threads share)} */
    WORKER_LIMIT = 64, /* {u bytes of memory that cells may have, 0: any} -> {outcome} */
    WORKER_KEEP_TYPES = 65, /* {types_pack_kept()}: the others are emptied, but for those
                     that the worker needs -> {outcome, types_pack_kept()} */
    WORKER_SWAP = 66, /* {u serial, n (s name, u version, u is_root, n u needs, u cell,
                         n (u line, u type))} with a descriptor, the object: an optimised
                         unit of the functions named (pickler/code/swap.h), and their
                         allocation sites; no answer. The only frame that may come while a
                         cell runs: a SIGURG asks the worker to look at once */
    WORKER_SWAPPED,   /* worker -> front, at any time: {u serial, u swap_result, s why or
                         NULL} */
    WORKER_UNSWAP,    /* {} -> {outcome}: all functions go back to their own bodies */

    WORKER_PIPES = 70, /* worker -> front, before it runs a request: {} with descriptors:
                          the read ends of its new stdout and stderr; programs that it
                          has started go on writing to the old ones */
    WORKER_DISPLAY = 72, /* worker -> front (job worker -> pool) while a cell runs, of any
                            thread: {u bytes} with descriptors: a memory file
                            that holds so many bytes of a bundle (bundle_pack()), and
                            perhaps a pipe that is closed when what was printed before and
                            it have been shown; no answer */
    POOL_DISPLAY,        /* pool -> front: {bundle}; id is the task's */
    WORKER_TIME = 78,    /* {b plan, b object, u repeats + 65536 * loops}: runs the plan's
                            first run `repeats` times, it going round `loops` times each time
                            (0: as many as take TIME_ENOUGH_MS) while __achar_loops, an
                            unsigned long that is there for it, is counted down to 0
                            -> {outcome, u loops, n u nanoseconds} */

    WORKER_FORGET = 75, /* {n s names}: functions and variables that are no more
                           -> {outcome} */
    WORKER_SHOW, /* {n s variables} -> {outcome, n (u size in bytes, s value in one line
                    or NULL)}: of functions the size is that of their code */

    WORKER_BYTES, /* {u max, n s variables} -> {outcome, n b bytes}: empty for those that
                     hold pointers, are not there or go beyond `max` together */

    WORKER_CODE = 42, /* {s function} -> {outcome, u address, b machine code, n (u offset,
                         u cell, u line), n (u address, s name)}: lines in order, and what
                         code may refer to */

    /* pool -> zygote (a job worker that has loaded one payload and forks) */
    ZYGOTE_LOAD =
        80, /* {b payload or recipe, b object (empty: libtcc), u children to keep alive, b
               there will be no object} -> {outcome, u improvable: a ZYGOTE_IMPROVE
               is welcome}. After OUTCOME_COMPILE it may be sent again, with an object or,
               if its name was ZYGOTE_WISH, without any hope of one */
    ZYGOTE_READY, /* zygote -> pool: {u pid of a new job worker, n u pid of those that
                     ended with status 0 since} with descriptors: task channel, out, err,
                     pidfd and, if it may take more than one task, memory that
                     is shared with it (lane.h) */
    ZYGOTE_DIED,  /* zygote -> pool: {u pid, u wait status, u id of the task it was in (0:
                     none is known), b what is left of that one's result}, after the last
                     bytes of its output and its TASK_DONE, if there was one */
    TASK_RUN,     /* pool -> job worker: {b argument values} -> TASK_DONE */
    TASK_DONE,    /* {outcome, b result values}, with the task's id; the job worker ends.
                     Everything the task printed is in its pipes. For
                     PAYLOAD_CALL with a value the job worker renders it into
                     outcome.value_text (display_value()): a front has no compiled
                     layouts of the payload's types */
    ZYGOTE_KEEP,  /* pool -> zygote: {u children to keep alive}; no answer */
    TASK_DONE_READY, /* as TASK_DONE, but the job worker takes another task */
    TASK_LOOK,       /* either way: there is something in the shared memory, which holds
                        the bodies of small TASK_RUN and TASK_DONE_READY; no answer */

    ZYGOTE_IMPROVE = 178, /* pool -> zygote: {b object}: of payload_functions(), by cc ->
                             {outcome}. Job workers that are announced behind the answer
                             run it, those before do from their next call on */

    TASK_DYING = 186, /* job worker -> pool, from a signal handler: as TASK_DONE, without
                         values; ZYGOTE_DIED follows, perhaps with some */

    /* pool -> its compiling helper (achar-pool --compile) */
    COMPILER_RUN = 96, /* {b payload or recipe, u compiler_wish} -> {outcome, b object} */

    /* front -> pool */
    POOL_PAYLOAD =
        112,     /* {b hash, b payload or recipe} -> {outcome}; sent once per hash */
    POOL_TASK,   /* {b hash, b argument values} -> POOL_RESULT with the frame's id */
    POOL_OUTPUT, /* pool -> front: {u stream (1, 2), b bytes}; id is the task's */
    POOL_RESULT, /* {outcome, b result values}; no POOL_OUTPUT of the task follows. A task
                    of several elements that failed may say how far it has come: the
                    values are {u elements done, values of these as if the task had been
                    for no others; nothing: they are lost} */
    POOL_CANCEL, /* {}: id is the task's; its POOL_RESULT follows; no other answer */
    POOL_BYE,    /* either side: nothing more will come; no answer */
    POOL_HAVE,   /* {b hash} -> {u 0 or 1} */
    POOL_FORGOT, /* pool -> front: {b hash}: it made room and no longer has this payload;
                    sent only between a POOL_PAYLOAD and its answer */

    /* Large bodies between processes of one machine: in a sealed file in memory
     * (memory_file.h), which is the frame's descriptor. */
    POOL_TASK_FILE = 144, /* front -> pool: {b hash, u size}: a POOL_TASK; in the file are
                             so many bytes, its body behind the hash */
    POOL_RESULT_FILE,     /* pool -> front: {u size}: a POOL_RESULT with this body */
    TASK_RUN_FILE,        /* pool -> job worker: {u size}: a TASK_RUN with this body */
    TASK_DONE_FILE,       /* job worker -> pool: {u size}: a TASK_DONE with this body */

    /* What a payload in pieces (pickler/payload/recipe.h) needs, and the pool lacks. */
    POOL_PIECES = 182, /* pool -> front: {n b hash}: pieces of the POOL_PAYLOAD with this
                          id, whose answer follows when it has them */
    POOL_PIECE,        /* front -> pool: {b hash, b bytes}, empty: there is no such piece;
                          no answer */
    POOL_PIECE_FILE,   /* front -> pool: {n (b hash, u offset)} with a descriptor, where
                          these pieces are, and stay as they are; no answer */
    ZYGOTE_PIECES,     /* pool -> zygote, before the ZYGOTE_LOAD: {n (u index, u offset)}
                          with a descriptor: where pieces with a hash are, by their number
                          among these; no answer */

    /* How a pool's channel is kept (kernel/peer/line.h). Control frames, which
     * line_is_control() lists, are small, are not counted and overtake data. All others
     * are data: with a window, a body above LINE_PIECE goes as LINE_PART frames followed
     * by the frame itself with the rest, nothing but control frames between them; and of
     * data frames, headers included, no side sends more than `window` bytes beyond what
     * the other has credited. */
    POOL_TERMS = 120, /* front -> pool, once, after its hello: {u beat_ms: the pool is
                         never silent for longer, u lease_ms: of a front that is silent
                         for longer the pool kills its workers and ends, 0: never,
                         u window in bytes for both directions, 0: none}; no answer */
    LINE_BEAT,        /* either side, when it has had nothing to say: {}; no answer */
    LINE_PART,        /* either side: the next bytes of a body */
    LINE_CREDIT, /* either side: {u bytes of data that were read and kept or used}; no
                    answer */
    LINE_TOTAL = 150,    /* either side, control, before the first LINE_PART of a body:
                            {u its bytes}; no answer */
    POOL_PRESTART = 174, /* front -> pool, after POOL_TERMS: {u job workers that wait for
                            tasks beside those that have one, at most POOL_PRESTART_MAX,
                            0: as many as the pool likes}; no answer */

    /* A pool behind somebody else's launcher, before its FRAME_HELLO
     * (kernel/pool/dial.h); on the launcher's stdio */
    POOL_KEY = 132, /* pool -> front, first: {b hash of its key (tls.h)} -> POOL_DIAL */
    POOL_DIAL,      /* front -> pool: {b hash of its key, n (s address, u port)}, at most
                       DIAL_ADDRESSES_MAX, none: stay here -> POOL_DIALLED */
    POOL_DIALLED,   /* pool -> front: {s the address that answered, or NULL: the hello
                       follows here, s why not, or NULL} */
};

#define DIAL_ADDRESSES_MAX 16
#define POOL_PRESTART_MAX 512

/* Ranks: session workers that run the same request side by side, as MPI programs do. */
enum {
    /* front -> achar-pool --ranks. A world is one generation of ranks; every frame below
     * carries its number, and a request for a world that is gone is not run. */
    RANKS_START = 136, /* {u ranks, u lease_ms: silence after which a rank is lost, s
                          interface where ranks on other hosts connect to, NULL: any,
                          "none", s MPI library, n s launcher's words} -> {outcome, n (s
                          host, u pid)} when all are up. With id 0 the pool says so by
                          itself: OUTCOME_DIED the world has ended and another one is on
                          its way, OUTCOME_OK that one is up, OUTCOME_REFUSED there is
                          none now */
    RANKS_ASK,    /* {u rank (RANKS_ALL: each), u kind, b body}: a WORKER_* request ->
                     RANKS_ANSWER of each, when it comes */
    RANKS_ANSWER, /* {u rank, b body as the worker's} */
    RANKS_OUTPUT, /* pool -> front: {u rank, u stream (1, 2; 0: a packed bundle that was
                     displayed), b bytes} */
    RANKS_SWAP, /* front -> rank, by RANKS_ASK: {b body of a WORKER_SWAP, b its object} ->
                   {outcome}, OUTCOME_OK also where it does not fit any more */
    RANKS_STOP, /* front -> pool: {}: id is the request's, which is interrupted; no
                   answer of its own. pool -> rank's parent: {u signal, u id} */

    /* achar-pool --rank, the parent of one rank -> achar-pool --ranks */
    RANK_HELLO, /* {u PROTOCOL_VERSION, s token, u rank, u ranks, s host, u pid} with
                   descriptors: the worker's channel, out, err; without any, over TLS,
                   where the parent carries what would go there. Behind it both sides
                   keep a line (kernel/peer/line.h). */
    RANK_ENDED, /* {u wait status} */
};

/* Between a pool of ranks and the parent of a rank on another host */
enum {
    RANK_TELL = 156, /* pool -> parent: {u kind, u generation, u id, b body}: a frame for
                        the worker */
    RANK_SAID,    /* parent -> pool: the same, a frame of the worker's; a WORKER_DISPLAY
                     with the bundle itself, no WORKER_PIPES */
    RANK_PRINTED, /* parent -> pool: {u stream (1, 2), b bytes} */
    WORKER_WHERE, /* rank -> pool, while a request runs: {outcome}: OUTCOME_INTERRUPTED
                     with the frames where it is, after a WORKER_WHERE_SIGNAL,
                     its status the number of MPI calls so far;
                     OUTCOME_EXIT: it has called MPI_Finalize */
};

#define RANKS_MAX 1024
#define RANKS_ALL RANKS_MAX

enum plan_mode {
    PLAN_CELL,       /* a cell as typed */
    PLAN_EXPRESSION, /* exactly one expression, `;` not allowed: %call, %map */
};

enum segment_kind {
    SEGMENT_C,
    SEGMENT_LINE_MAGIC, /* from % to the end of the line */
    SEGMENT_CELL_MAGIC, /* from %% to the end of the cell */
    SEGMENT_SHELL,      /* from ! to the end of the line */
    SEGMENT_HELP,       /* from ? to the end of the line; also `name?` */
};

enum swap_result {
    SWAP_DONE,
    SWAP_STALE, /* something in it has been defined again since */
    SWAP_REFUSED,
};

enum run_flags {
    RUN_LOAD_ONLY = 1,  /* define, but call nothing: a new worker is brought up to date */
    RUN_NO_VALUE = 2,   /* do not render the value */
    RUN_TCC_OBJECT = 4, /* the object is libtcc's: cc may make a better one */
};

enum {
    TIME_LOOPS_SHIFT = 16,
    TIME_ENOUGH_MS = 200,
    TIME_LOOPS_MAX = 1000000000,
    TIME_REPEATS_MAX = 1000,
};

enum compiler_wish {
    COMPILER_WHOLE,     /* the payload */
    COMPILER_FUNCTIONS, /* payload_functions(), in nobody's way */
    COMPILER_KEPT,      /* the same, if it has been compiled before */
};

/* Names of an OUTCOME_COMPILE of the helper's: there is no compiler on this host; it has
 * not been compiled before. */
#define COMPILER_NONE "NoCompiler"
#define COMPILER_UNKNOWN "NotCompiled"

/* The name of an OUTCOME_COMPILE: libtcc would do, and cc better. */
#define ZYGOTE_WISH "CompilerWish"

#endif
