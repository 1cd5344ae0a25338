# SPDX-License-Identifier: BSD-3-Clause
"""Functions of a notebook on x86-64 run on a host that is aarch64: code is compiled there,
values are the same, faults are found in the same lines."""
import tarfile

import pytest

from executable import ACHAR

KIT = ACHAR.parents[1] / "pool/remote/aarch64.tar.gz"

CODE = """
#include <complex.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

int twice(int n) { return 2 * n; }
char machine[65];
void look(void) { struct utsname about; uname(&about); strcpy(machine, about.machine); }

int count;
int counted(int n) { return ++count + 0 * n; }
int in[200], out[200];
for (int i = 0; i < 200; i++) in[i] = i;

struct point { char name[4]; double x; float y; short small; struct point *next; };
struct point last = {"b", 2.5, 0.5f, -7, NULL}, first = {"a", 1.25, 1.5f, 9, &last};
double sum(void)
{
    double all = 0;
    for (struct point *p = &first; p; p = p->next)
        all += p->x + p->y + p->small + p->name[0];
    first.next->small = 100;
    return all;
}

double big[1 << 20];
for (int i = 0; i < 1 << 20; i++) big[i] = i % 1000;
void halve(void) { for (int i = 0; i < 1 << 20; i++) big[i] /= 2; }

int is_char_signed(void) { char c = (char)200; return c < 0; }
int is_char_signed_by_cc(void)
{
    double complex z = 3;
    char c = (char)200;
    return c < 0 && creal(z) == 3;
}

int use(int *p) { return *p; }
int fails(int n)
{
    int *nowhere = NULL;
    puts("before");
    return use(nowhere) + n;
}
int order(const void *a, const void *b) { a = NULL; return *(const int *)a - *(const int *)b; }
void sorts(void) { int all[3] = {3, 1, 2}; qsort(all, 3, sizeof *all, order); }
int spin(int n) { for (volatile int i = 0;; ) i = n; }
void *set(void *to) { *(int *)to = 7; return NULL; }
"""


@pytest.fixture(scope="module")
def host(arm):
    arm.value(CODE)
    return arm


def test_it_is_another_machine(host):
    cell = host.run('%%remote arm\nlook(); puts(machine); fprintf(stderr, "and %d\\n", 7);')
    assert cell.is_ok, cell.traceback
    assert cell.stdout == "aarch64\n" and cell.stderr == "and 7\n"


def test_calls(host):
    assert host.value("%call twice(21) --on arm") == "42"
    assert host.value("%call sqrt(2.0) --on arm") == "1.4142135623730951"


def test_a_map_whose_tasks_all_start_from_the_same_state(host):
    host.value("%map twice in -> out --on arm")
    assert host.value("out[199]") == "398"
    host.value("%map counted in -> out --on arm --chunk 20")
    assert host.value("out[0] == 1 && out[19] == 20 && out[20] == 1") == "1"


def test_structs_and_pointers_come_and_go(host):
    here = host.value("first.next->small = -7; sum()")
    host.value("first.next->small = -7;")
    assert host.value("%call sum() --on arm") == here


def test_a_big_array_comes_back(host):
    cell = host.run("%%remote arm --out big\nhalve();", seconds=60)
    assert cell.is_ok, cell.traceback
    assert host.value("big[999] == 499.5 && big[1000] == 0 && big[1001] == 0.5") == "1"


@pytest.mark.parametrize("function", ["is_char_signed", "is_char_signed_by_cc"])
def test_plain_char_is_signed(host, function):
    assert host.value(f"%call {function}() --on arm") == "1"


def test_a_fault_is_told_with_its_lines(host):
    cell = host.run("%call fails(1) --on arm")
    assert cell.name == "SIGSEGV" and "read of address 0x0 (null pointer)" in cell.message
    assert cell.stdout == "before\n"
    assert cell.traceback.index("at use (") < cell.traceback.index("at fails (")
    assert "It ran in a job worker on command 1" in cell.traceback
    assert host.value("%call twice(4) --on arm") == "8"


def test_a_fault_in_a_callback_of_a_library(host):
    cell = host.run("%call sorts() --on arm")
    names = ["at order (", "at qsort", "at sorts (", "at (cell) ("]
    places = [cell.traceback.index(name) for name in names]
    assert cell.name == "SIGSEGV" and places == sorted(places)


def test_a_task_that_hangs_is_ended(host):
    assert host.run("%call spin(1) --on arm --timeout 2").name == "TimeLimit"
    assert host.value("%call twice(5) --on arm") == "10"


def test_a_kit_needs_nothing_of_the_host(host, tmp_path):
    """What ssh would copy, without the folder that it was made from."""
    with tarfile.open(KIT) as kit:
        kit.extractall(tmp_path)
    libraries = tmp_path / "lib"
    start = f"qemu-aarch64 {libraries}/ld.so --library-path {libraries} {tmp_path}/bin"
    worker = tmp_path / "run/achar-worker"
    worker.write_text(f'#!/bin/sh\nexec {start}/achar-worker "$@"\n')
    host.value(f"%executor kit = command --workers 1 --lease 30 -- env ACHAR_LIBEXEC={tmp_path}/run "
               f"ACHAR_INCLUDE={tmp_path}/tcc:{tmp_path}/include {start}/achar-pool")
    assert host.value("%call sqrt(2.0) --on kit") == "1.4142135623730951"
    cell = host.run("%%remote kit\nlook(); puts(machine);")
    assert cell.stdout == "aarch64\n", cell.traceback


def test_threads(host):
    cell = host.run("""%%remote arm
{ int all[3]; pthread_t threads[3];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, set, &all[i]);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  printf("%d\\n", all[0] + all[1] + all[2]); }""")
    assert cell.stdout == "21\n", cell.traceback


def test_long_double(host):
    host.value("long double wide = 3.25L, thin;\nlong double half(void) { return wide / 2; }\n"
               "void third(void) { thin = 1.0L / 3; }")
    assert host.value("%call half() --on arm") == "1.625"
    cell = host.run("%%remote arm --out thin\nthird();")
    assert cell.is_ok, cell.traceback
    assert host.value("thin == 1.0L / 3") == "1"


def test_a_union_with_a_long_double_is_refused(host):
    host.value("union number { long double wide; int whole; };\n"
               "struct box { int n; union number of; } box = {1, {.wide = 1.5L}};\n"
               "int unbox(void) { return box.n; }")
    cell = host.run("%call unbox() --on arm")
    assert not cell.is_ok and "box" in cell.message and "long double" in cell.message
    host.value("box.of = (union number){0};")
    assert host.value("%call unbox() --on arm") == "1"


def test_what_headers_define_differently_is_refused(host):
    host.value('struct stat about;\nlong links(void) { return (long)about.st_nlink; }')
    cell = host.run("%call links() --on arm")
    assert not cell.is_ok and "struct stat" in cell.message


def test_assembly_of_another_machine_is_refused_by_its_line(host):
    host.value('int five(void) { int x; __asm__("mov $5, %0" : "=r"(x)); return x; }')
    cell = host.run("%call five() --on arm")
    assert cell.name == "CompileError" and "mov $5" in cell.message
    assert "a machine of kind 'aarch64'" in cell.traceback
