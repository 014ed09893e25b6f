/* Runs a program of schuss: `driver FILE` reads the arguments and the memory from the file, calls `run` on as many
   threads as it says, and writes the steps done and the memory back. See arm.py for the file's form. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t run(void **table, const int64_t *order, void *sync, int64_t batch, int64_t total, int64_t first, int64_t steps,
            int64_t counter, int64_t thread, int64_t threads, void *wait);

enum { LINE = 64, SYNC = 256 };
static struct { int64_t blocks, order, batch, total, first, steps, counter, threads; } given;
static void **table, *sync_;
static int64_t *order, done;

static void *some(size_t size) { /* zeros; whole cache lines, so that a block shares none with another */
  size_t whole = (size + LINE - 1) / LINE * LINE + LINE;
  void *memory = aligned_alloc(LINE, whole);
  if (!memory) abort();
  return memset(memory, 0, whole);
}

static void get(void *into, size_t size, FILE *file) {
  if (size && fread(into, size, 1, file) != 1) abort();
}

static void *thread(void *number) {
  int64_t steps = run(table, order, sync_, given.batch, given.total, given.first, given.steps, given.counter,
                      (intptr_t)number, given.threads, (void *)syscall);
  if (!number) done = steps;
  return 0;
}

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : 0;
  if (!file) return 2;
  get(&given, sizeof given, file);
  int64_t *sizes = some(8 * given.blocks);
  get(sizes, 8 * given.blocks, file);
  order = some(8 * given.order);
  get(order, 8 * given.order, file);
  table = some(8 * given.blocks);
  sync_ = some(SYNC);
  for (int64_t i = 0; i < given.blocks; i++) get(table[i] = some(sizes[i]), sizes[i], file);
  fclose(file);
  pthread_t *others = some(given.threads * sizeof *others);
  for (intptr_t i = 1; i < given.threads; i++)
    if (pthread_create(&others[i], 0, thread, (void *)i)) abort();
  thread(0);
  for (int64_t i = 1; i < given.threads; i++) pthread_join(others[i], 0);
  file = fopen(argv[1], "wb");
  if (!file || fwrite(&done, 8, 1, file) != 1) abort();
  for (int64_t i = 0; i < given.blocks; i++)
    if (sizes[i] && fwrite(table[i], sizes[i], 1, file) != 1) abort();
  return fclose(file) ? 2 : 0;
}
