/* SPDX-License-Identifier: BSD-3-Clause
 *
 * long double as binary128, and back on machines whose own has fewer bits. */
#include "pickler/value/scalar.h"

#include <float.h>
#include <math.h>

#include "tests/unit/check.h"

static long double there_and_back(long double value)
{
    uint8_t bytes[LDOUBLE_ENCODED];
    long double ret = 0;
    put_ldouble(bytes, &value);
    CHECK(get_ldouble(&ret, bytes));
    return ret;
}

static void test_exact(void)
{
    static const long double values[] = {0,         1,        -1.5L,    LDBL_MAX,
                                         -LDBL_MAX, LDBL_MIN, 1.0L / 3, LDBL_MIN / 8};
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        CHECK(there_and_back(values[i]) == values[i]);
    CHECK(isinf(there_and_back(INFINITY)) && there_and_back(-INFINITY) < 0);
    CHECK(isnan(there_and_back(NAN)));
    CHECK(signbit(there_and_back(-0.0L)));
}

#if LDBL_MANT_DIG == 64

/* What has these upper and lower halves as binary128; -1: it cannot be held. */
static long double from_halves(uint64_t high, uint64_t low)
{
    uint8_t bytes[LDOUBLE_ENCODED];
    long double ret = -1;
    memcpy(bytes, &low, 8);
    memcpy(bytes + 8, &high, 8);
    return get_ldouble(&ret, bytes) ? ret : -1;
}

#define ONE (UINT64_C(0x3fff) << 48)
#define LAST (UINT64_C(1) << 49) /* the last bit that x87 has, in the lower half */
#define HIGH_MAX ((UINT64_C(1) << 48) - 1)

static void test_rounding(void)
{
    CHECK(from_halves(ONE, 0) == 1);
    CHECK(from_halves(ONE, 1) == 1);
    CHECK(from_halves(ONE, LAST / 2) == 1); /* of two, the even one */
    CHECK(from_halves(ONE, LAST / 2 + 1) == 1 + LDBL_EPSILON);
    CHECK(from_halves(ONE, LAST + LAST / 2) == 1 + 2 * LDBL_EPSILON);
    CHECK(from_halves(ONE | HIGH_MAX, UINT64_MAX) == 2);
    /* what is denormal may become normal; what is too large has no nearest one */
    CHECK(from_halves(HIGH_MAX, UINT64_MAX) == LDBL_MIN);
    CHECK(from_halves(UINT64_C(0x7ffe) << 48 | HIGH_MAX, UINT64_MAX) == -1);
    CHECK(from_halves(UINT64_C(0x7ffe) << 48 | HIGH_MAX, ~(LAST - 1)) == LDBL_MAX);
    CHECK(isnan(from_halves(UINT64_C(0x7fff) << 48, 1)));
}

#else

static void test_rounding(void)
{
}

#endif

int main(void)
{
    test_exact();
    test_rounding();
    return check_status();
}
