/* Kernels of known shape, 128 tokens of 768 channels, such as an inference executes: what the model of cycles is tried
 * with on the machine that it runs on. `kernels` runs each once between two marks of trace.c; `kernels time` prints the
 * shortest of many runs of each, "NAME NANOSECONDS", the first of them CHAIN additions that take a cycle each.
 *   cc -O3 -ffast-math -o kernels kernels.c -lm
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { ROWS = 128, COLUMNS = 768, DEPTH = 192, SIZE = ROWS * COLUMNS, CHAIN = 1000000, MARK = 0x5351, REPEATS = 100 };

#define KERNEL static __attribute__((noinline)) void
#define SCALAR static __attribute__((noinline, optimize("no-tree-vectorize", "no-fast-math"))) void

/* Not static, so that what is written to them counts as used. */
float x[SIZE], y[SIZE], z[SIZE], scale[COLUMNS], shift[COLUMNS], weights[DEPTH * COLUMNS];
uint8_t bytes[SIZE], mapped[SIZE], table[256];
int8_t integers[DEPTH * COLUMNS];
int32_t sums[SIZE];

KERNEL chain(void) {
  uint64_t value = 0;
  for (int i = 0; i < CHAIN; i++) {
    value += 3;
    __asm__ volatile("" : "+r"(value));
  }
}

SCALAR norm_scalar(void) {
  for (int row = 0; row < ROWS; row++) {
    const float *from = x + row * COLUMNS;
    float *to = y + row * COLUMNS, sum = 0, squares = 0;
    for (int i = 0; i < COLUMNS; i++) sum += from[i], squares += from[i] * from[i];
    float mean = sum / COLUMNS, deviation = sqrtf(squares / COLUMNS - mean * mean + 1e-12f);
    for (int i = 0; i < COLUMNS; i++) to[i] = (from[i] - mean) / deviation * scale[i] + shift[i];
  }
}

KERNEL norm_vector(void) {
  for (int row = 0; row < ROWS; row++) {
    const float *from = x + row * COLUMNS;
    float *to = y + row * COLUMNS, sum = 0, squares = 0;
    for (int i = 0; i < COLUMNS; i++) sum += from[i];
    float mean = sum / COLUMNS;
    for (int i = 0; i < COLUMNS; i++) squares += (from[i] - mean) * (from[i] - mean);
    float inverse = 1 / sqrtf(squares / COLUMNS + 1e-12f);
    for (int i = 0; i < COLUMNS; i++) to[i] = (from[i] - mean) * inverse * scale[i] + shift[i];
  }
}

KERNEL quantize(void) {
  for (int i = 0; i < SIZE; i++) {
    float value = x[i] * 50;
    value = value < -120 ? -120 : value > 135 ? 135 : value;
    mapped[i] = (uint8_t)((int32_t)(value + 120.5f));
  }
}

KERNEL exponential(void) {
  for (int i = 0; i < SIZE; i++) {
    float power = rintf(x[i] * 1.442695041f), rest = x[i] - power * 0.6931471806f;
    float series = 1 + rest * (1 + rest * (0.5f + rest * (1 / 6.f + rest * (1 / 24.f + rest * (1 / 120.f)))));
    int32_t bits = ((int32_t)power + 127) << 23;
    float whole;
    memcpy(&whole, &bits, sizeof whole);
    y[i] = series * whole;
  }
}

SCALAR look_up(void) {
  for (int i = 0; i < SIZE; i++) mapped[i] = table[bytes[i]];
}

KERNEL product_floats(void) {
  for (int column = 0; column < COLUMNS; column += 16)
    for (int row = 0; row < ROWS; row += 4) {
      float tile[4][16] = {{0}};
      const float *panel = weights + column * DEPTH;
      for (int k = 0; k < DEPTH; k++)
        for (int i = 0; i < 4; i++)
          for (int j = 0; j < 16; j++) tile[i][j] += x[(row + i) * COLUMNS + k] * panel[k * 16 + j];
      for (int i = 0; i < 4; i++) memcpy(y + (row + i) * COLUMNS + column, tile[i], sizeof tile[i]);
    }
}

KERNEL product_bytes(void) {
  for (int row = 0; row < ROWS; row++)
    for (int column = 0; column < COLUMNS; column++) {
      int32_t sum = 0;
      for (int k = 0; k < DEPTH; k++) sum += bytes[row * COLUMNS + k] * integers[column * DEPTH + k];
      sums[row * COLUMNS + column] = sum;
    }
}

KERNEL add(void) {
  for (int i = 0; i < SIZE; i++) y[i] = x[i] + z[i];
}

static const struct {
  const char *name;
  void (*run)(void);
} kernels[] = {{"chain", chain},
               {"norm, scalar", norm_scalar},
               {"norm, vector", norm_vector},
               {"quantize", quantize},
               {"exponential", exponential},
               {"table", look_up},
               {"product of floats", product_floats},
               {"product of bytes", product_bytes},
               {"add (bound by memory)", add}};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e9 * time.tv_sec + time.tv_nsec;
}

int main(int argc, char **argv) {
  (void)argv;
  for (int i = 0; i < SIZE; i++) x[i] = sinf(i * 0.37f) * 2, z[i] = x[i] / 2, bytes[i] = i * 7;
  for (int i = 0; i < COLUMNS; i++) scale[i] = 1, shift[i] = 0.1f;
  for (int i = 0; i < DEPTH * COLUMNS; i++) weights[i] = 0.01f, integers[i] = i % 13 - 6;
  for (int i = 0; i < 256; i++) table[i] = 255 - i;
  for (size_t n = 0; n < sizeof kernels / sizeof *kernels; n++) {
    double shortest = 1e18;
    kernels[n].run();
    if (argc == 1) {
      getpriority(PRIO_PROCESS, MARK);
      kernels[n].run();
      getpriority(PRIO_PROCESS, MARK);
      continue;
    }
    for (int repeat = 0; repeat < REPEATS; repeat++) {
      double start = now();
      kernels[n].run();
      double taken = now() - start;
      if (taken < shortest) shortest = taken;
    }
    printf("%.0f %s\n", shortest, kernels[n].name);
  }
  return 0;
}
