/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Units of each compiler through the loader: every way in which code reads and writes the
 * variables of other units, what must be refused, and damaged objects. */
#include "pickler/code/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "pickler/code/cc.h"
#include "pickler/code/tcc.h"
#include "pickler/code/tcc_helper.h"
#include "tests/unit/check.h"

static struct arena arena;

struct variables {
    double arr[4];
    int cnt;
    struct {
        int a, b;
    } st;
    int m2[2][3];
    char str[16];
};
static struct variables *variables;

static const char prologue[] =
    "extern double arr[4]; extern int cnt; extern struct { int a, b; } st;\n"
    "extern int m2[2][3]; extern char str[16];\n";

static const struct {
    const char *name, *text;
} patterns[] = {
    {"arr[0]==1", "int cell(void){return arr[0]==1?42:1;}"},
    {"arr[2]==3", "int cell(void){return arr[2]==3?42:1;}"},
    {"arr[2]<4", "int cell(void){return arr[2]<4&&!(arr[2]>4)?42:1;}"},
    {"arr[1]*arr[2]", "int cell(void){return arr[1]*arr[2]*7;}"},
    {"arr[1]*2.5", "int cell(void){return arr[1]*2.5+37;}"},
    {"2.5*arr[1]", "int cell(void){return 2.5*arr[1]+37;}"},
    {"sum", "int cell(void){return arr[1]+arr[2]+arr[3]+33;}"},
    {"x+arr[1]", "int cell(void){double x=40;return x+arr[1];}"},
    {"x-arr[1]", "int cell(void){double x=44;return x-arr[1];}"},
    {"x/arr[1]", "int cell(void){double x=84;return x/arr[1];}"},
    {"x*arr[0]", "int cell(void){double x=42;return x*arr[0];}"},
    {"x==arr[1]", "int cell(void){double x=2;return x==arr[1]?42:1;}"},
    {"i+st.b", "int cell(void){int i=30;return i+st.b;}"},
    {"i==st.b", "int cell(void){int i=12;return i==st.b?42:1;}"},
    {"arr[1]+=", "int cell(void){arr[1]+=40;double*p=arr;return p[1];}"},
    {"arr[1]++", "int cell(void){arr[1]++;double*p=arr;return p[1]+39;}"},
    {"read scalar", "int cell(void){return cnt+35;}"},
    {"write scalar", "int cell(void){cnt=42;return *(&cnt);}"},
    {"arr[0]", "int cell(void){return arr[0]+41;}"},
    {"arr[2]", "int cell(void){return arr[2]+39;}"},
    {"arr[i]", "int cell(void){int i=2;return arr[i]+39;}"},
    {"arr[2]= arr[i]", "int cell(void){int i=2;arr[2]=42;return arr[i];}"},
    {"st.a", "int cell(void){return st.a+31;}"},
    {"st.b", "int cell(void){return st.b+30;}"},
    {"st.b=", "int cell(void){st.b=42;int*p=(int*)&st;return p[1];}"},
    {"&st.b", "int cell(void){int*p=&st.b;return *p+30;}"},
    {"&arr[1]", "int cell(void){double*p=&arr[1];return *p+40;}"},
    {"arr+1", "int cell(void){double*p=arr+1;return *p+40;}"},
    {"m2[1][2]", "int cell(void){return m2[1][2]+37;}"},
    {"str[1]", "int cell(void){return str[1]-'e'+42;}"},
    {"p=&cnt", "int*p=&cnt;int cell(void){return *p+35;}"},
    {"p=arr", "double*p=arr;int cell(void){return p[0]+41;}"},
    {"p=&arr[2]", "double*p=&arr[2];int cell(void){return *p+39;}"},
    {"static p=&st.b", "int cell(void){static int*p=&st.b;return *p+30;}"},
    {"environ", "extern char**environ;int cell(void){return environ&&environ[0]?42:0;}"},
    {"FILE**=&stderr", "#include <stdio.h>\nFILE**p=&stderr;\n"
                       "int cell(void){return *p==stderr?42:1;}"},
    {"strlen", "#include <string.h>\nunsigned long(*p)(const char*)=strlen;\n"
               "int cell(void){return p(\"abc\")==3&&p==strlen?42:1;}"},
    {"printf", "#include <stdio.h>\nint cell(void){char b[64];"
               "return snprintf(b,64,\"%s %f\",\"x\",1.5)==10?42:1;}"},
    {"switch",
     "int v=3;int cell(void){switch(v){case 0:return 1;case 1:return 2;"
     "case 2:return 5;case 3:return 42;case 4:return 7;case 5:return 8;}return 0;}"},
    {"constructor",
     "static int k;__attribute__((constructor))static void c(void){k=42;}\n"
     "int cell(void){return k;}"},
};

static void reset_variables(void)
{
    memset(variables, 0, sizeof(*variables));
    for (int i = 0; i < 4; i++)
        variables->arr[i] = i + 1;
    variables->cnt = 7;
    variables->st.a = 11;
    variables->st.b = 12;
    for (int i = 0; i < 6; i++)
        ((int *)variables->m2)[i] = i;
    memcpy(variables->str, "hello", 6);
}

static void *resolve(void *context, const char *name, bool is_thread_local)
{
    if (!strcmp(name, "arr"))
        return variables->arr;
    if (!strcmp(name, "cnt"))
        return &variables->cnt;
    if (!strcmp(name, "st"))
        return &variables->st;
    if (!strcmp(name, "m2"))
        return variables->m2;
    if (!strcmp(name, "str"))
        return variables->str;
    if (!strcmp(name, "__tls_get_addr"))
        return thread_block_get;
    void *helper = tcc_helper(name);
    return helper ? helper : dlsym(RTLD_DEFAULT, name);
}

static int load(const struct compiled *compiled, struct image **ret, struct error *err)
{
    CLEANUP(image_freep) struct image *image = NULL;
    int r = image_open(&arena, compiled->object.data, compiled->object.size, &image, err);
    if (r == 0)
        r = image_relocate(image, resolve, NULL, err);
    if (r < 0)
        return r;
    image_seal(image);
    for (size_t i = 0; i < image->n_initialisers; i++)
        image->initialisers[i]();
    *ret = TAKE(image);
    return 0;
}

static void check_pattern(const char *compiler, const char *name,
                          const struct compiled *compiled)
{
    struct error err = {0};
    CLEANUP(image_freep) struct image *image = NULL;
    reset_variables();
    if (!compiled->is_ok || load(compiled, &image, &err) < 0) {
        fprintf(stderr, "%s: %s: %s %s\n", compiler, name,
                buffer_string(&compiled->messages), err.text);
        check_failures++;
        return;
    }
    int (*cell)(void) = (int (*)(void))(void *)image_address(image, "cell");
    int value = cell ? cell() : -1;
    if (value != 42) {
        fprintf(stderr, "%s: %s: %d instead of 42\n", compiler, name, value);
        check_failures++;
    }
}

static void test_patterns(void)
{
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        CLEANUP(freep) char *text = must_format("%s%s", prologue, patterns[i].text);
        CLEANUP(compiled_clear) struct compiled compiled = {0};
        struct error err = {0};
        CHECK_INT(tcc_compile(text, NULL, 0, &compiled, &err), 0);
        check_pattern("tcc", patterns[i].name, &compiled);
    }
}

static void compile_cc(const char *text, struct compiled *ret)
{
    struct cc_options options = {.wake_fd = -1};
    struct error err = {0};
    char *messages = NULL;
    ret->is_ok = cc_compile(text, &options, &ret->object, &messages, &err) == 0;
    buffer_add_string(&ret->messages, messages ? messages : err.text);
    free(messages);
}

/* All patterns in one unit, since a compiler process costs tens of milliseconds. */
static void test_patterns_cc(const char *compiler)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    buffer_add_string(&text, prologue);
    size_t n = sizeof(patterns) / sizeof(*patterns);
    for (size_t i = 0; i < n; i++)
        buffer_format(&text,
                      "#define cell cell%zu\n#define p p%zu\n#define k k%zu\n"
                      "#define v v%zu\n#define c c%zu\n%s\n"
                      "#undef cell\n#undef p\n#undef k\n#undef v\n#undef c\n",
                      i, i, i, i, i, patterns[i].text);
    setenv("ACHAR_CC", compiler, 1);
    CLEANUP(freep) char *found = cc_find();
    if (!found) {
        fprintf(stderr, "%s is not installed: skipped\n", compiler);
        return;
    }
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    struct error err = {0};
    compile_cc(text.data, &compiled);
    CLEANUP(image_freep) struct image *image = NULL;
    if (!compiled.is_ok || load(&compiled, &image, &err) < 0) {
        fprintf(stderr, "%s: %s %s\n", compiler, buffer_string(&compiled.messages),
                err.text);
        check_failures++;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof(name), "cell%zu", i);
        int (*cell)(void) = (int (*)(void))(void *)image_address(image, name);
        reset_variables();
        int value = cell ? cell() : -1;
        if (value != 42) {
            fprintf(stderr, "%s: %s: %d instead of 42\n", compiler, patterns[i].name,
                    value);
            check_failures++;
        }
    }
}

static void *call_in_thread(void *function)
{
    return (void *)(intptr_t)((int (*)(void))function)();
}

static void check_defines(const char *text, const char *const *flags, size_t n_flags,
                          const char *name)
{
    struct error err = {0};
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    CLEANUP(image_freep) struct image *image = NULL;
    if (CHECK_OK(tcc_compile(text, flags, n_flags, &compiled, &err), err) &&
        CHECK(compiled.is_ok) && CHECK_OK(load(&compiled, &image, &err), err))
        CHECK(image_address(image, name) != NULL);
}

/* Whatever comes between, and however often. */
static void test_prepared(void)
{
    static const char *const flags[] = {"-DNAME=flagged"};
    int before = dup(0);
    closep(&before);
    tcc_prepare();
    tcc_prepare();
    check_defines("int NAME(void) { return 1; }", flags, 1, "flagged");
    tcc_prepare();
    check_defines("int NAME(void) { return 1; }", NULL, 0, "NAME");
    check_defines("int again(void) { return 1; }", NULL, 0, "again");
    tcc_prepare();
    check_defines("int jump(int i) { goto end; end: return i; }", NULL, 0, "jump");
    tcc_prepare();
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    CHECK_INT(tcc_compile("int f( {", NULL, 0, &compiled, NULL), 0);
    CHECK(!compiled.is_ok && compiled.messages.size);
    check_defines("int f(void) { return 1; }", NULL, 0, "f");
    tcc_prepare();
    tcc_drop();
    tcc_drop();
    int after = dup(0);
    CHECK_INT(after, before); /* nothing was left open */
    closep(&after);
}

static void test_refusals(void)
{
    struct error err = {0};
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    CLEANUP(image_freep) struct image *image = NULL;
    size_t used = arena.parts[ARENA_CODE].used;
    CHECK_INT(tcc_compile("void a(void);void b(void);void f(void){a();b();}", NULL, 0,
                          &compiled, &err),
              0);
    CHECK(compiled.is_ok);
    CHECK_INT(load(&compiled, &image, &err), -ENOENT);
    CHECK_STRING(err.text, "undefined symbols 'a', 'b'");
    CHECK_INT(arena.parts[ARENA_CODE].used, used);
    compiled_clear(&compiled);

    err = (struct error){0};
    CHECK_INT(tcc_compile("#line 3 \"In[5]\"\nint f(void){return g();}", NULL, 0,
                          &compiled, &err),
              0);
    CHECK(!compiled.is_ok);
    CHECK(strstr(buffer_string(&compiled.messages),
                 "In[5]:3: warning: implicit declaration of function 'g'"));
    compiled_clear(&compiled);
    CHECK_INT(tcc_compile("int f( {", NULL, 0, &compiled, &err), 0);
    CHECK(!compiled.is_ok && compiled.messages.size);
    compiled_clear(&compiled);

    setenv("ACHAR_CC", "gcc", 1);
    compile_cc("_Thread_local int t = 7; static __thread long s[2] = {3};\n"
               "int f(void){return t++ + (int)s[0]++;} int *g(void){return &t;}",
               &compiled);
    CHECK_INT(load(&compiled, &image, &err), 0);
    int (*f)(void) = (int (*)(void))(void *)image_address(image, "f");
    int *(*g)(void) = (int *(*)(void))(void *)image_address(image, "g");
    CHECK_INT(f(), 10);
    CHECK_INT(f(), 12);
    CHECK_INT(*g(), 9);
    pthread_t thread;
    void *elsewhere = NULL;
    pthread_create(&thread, NULL, call_in_thread, (void *)f);
    pthread_join(thread, &elsewhere);
    CHECK_INT((intptr_t)elsewhere, 10);
    image_free(image);
    image = NULL;
    compiled_clear(&compiled);
    compile_cc("extern __thread int nowhere; int f(void){return nowhere;}", &compiled);
    CHECK_INT(load(&compiled, &image, &err), -ENOENT);
    compiled_clear(&compiled);
    err = (struct error){0};
    compile_cc("_Thread_local int t __attribute__((tls_model(\"initial-exec\")));\n"
               "int f(void){return t++;}",
               &compiled);
    CHECK_INT(load(&compiled, &image, &err), -ENOTSUP);
    CHECK(strstr(err.text, "thread-local variable 't'"));
}

/* Every byte of an object changed in turn, and every prefix of it: no crash. */
static void test_damaged(void)
{
    struct error err = {0};
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    CHECK_INT(tcc_compile("int cnt; int arr[4]={1,2}; const char *s=\"x\";\n"
                          "int f(int a){return a+cnt+arr[a];}",
                          NULL, 0, &compiled, &err),
              0);
    CHECK(compiled.is_ok);
    char *bytes = compiled.object.data;
    for (size_t i = 0; i < compiled.object.size; i++) {
        for (int bit = 0; bit < 8; bit += 3) {
            struct image *image = NULL;
            bytes[i] ^= (char)(1 << bit);
            if (image_open(&arena, bytes, compiled.object.size, &image, NULL) == 0)
                (void)!image_relocate(image, resolve, NULL, NULL);
            image_free(image);
            bytes[i] ^= (char)(1 << bit);
        }
        struct image *image = NULL;
        CHECK(image_open(&arena, bytes, i, &image, NULL) < 0);
    }
    CHECK_INT(arena.parts[ARENA_CODE].used, 0);
}

static bool is_compiled(const char *text)
{
    CLEANUP(compiled_clear) struct compiled compiled = {0};
    CHECK_INT(tcc_compile(text, NULL, 0, &compiled, NULL), 0);
    return compiled.is_ok;
}

/* What libtcc refuses behind a label must not stay in it. */
static void test_labels(void)
{
    static const char *const refused[] = {
        "int f(int x){if(x)goto out;_Complex double z=x;out:return x;}",
        "int f(int x){again:x++;if(x<3)goto again;__int128 y=x;return y;}",
        "int f(int x){__label__ l;void*p=&&l;goto *p;l:;__auto_type y=x;return y;}",
    };
    static const char *const sane[] = {
        "int f(int x){again:if(x++<3)goto again;return x?x:1;}",
        "int f(int x){static void*t[]={&&a,&&b};goto *t[x];a:return 1;b:return 2;}",
        ("struct s{int a:3;};int f(int x){switch(x){case 1:goto l;default:return "
         "x&&f(1);}"
         "l:return 3;}"),
        "int f(int x){int g=x>1&&x<5;return g;}",
    };
    for (size_t i = 0; i < 3; i++) {
        CHECK(!is_compiled(refused[i]));
        for (size_t k = 0; k < 4; k++)
            CHECK(is_compiled(sane[k]));
    }
}

int main(void)
{
    struct error err = {0};
    CHECK_INT(arena_init(&arena, ARENA_SIZE_MAX, &err), 0);
    variables = (struct variables *)(void *)arena_take(&arena, ARENA_DATA,
                                                       sizeof(*variables), 64);
    test_patterns();
    test_patterns_cc("gcc");
    test_patterns_cc("clang-19");
    test_refusals();
    test_prepared();
    test_damaged();
    test_labels();
    arena_clear(&arena);
    return check_status();
}
