/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A program that does nothing: what it costs to start one (floors.c). */
int main(void)
{
    return 0;
}
