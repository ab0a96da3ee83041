/* Counts the instructions that QEMU executes and prints the count at each mark: getpriority(_, 0x5351), which no
 * program calls. With out=FILE it also writes what ran between each two marks, in windows of about `window`
 * instructions in the middle of every `period`:
 *   block ID BYTES BYTES ...    a straight line of code, each instruction in hexadecimal, before its first use
 *   window ID ID ...            blocks in the order of their execution
 *   section COUNT               the end of what ran between two marks, and how many instructions that were
 * The declarations are those of QEMU's plugin interface, version 1 (QEMU 7.2), whose header Debian does not ship.
 *   cc -O1 -shared -fPIC -o trace.so trace.c
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

typedef void (*translated_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*executed_cb)(unsigned, void *);
typedef void (*syscall_cb)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                           uint64_t, uint64_t, uint64_t);

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_cb);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed_cb, enum qemu_plugin_cb_flags, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, syscall_cb);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

EXPORT int qemu_plugin_version = 1;

/* The call's number on 64-bit ARM and on x86-64; the other one of each is setpriority, which nobody gives this. */
enum { GETPRIORITY_ARM = 141, GETPRIORITY_X86 = 140, MARK = 0x5351 };

struct block {
  uint64_t id, count;
  char *text; /* NULL once written */
};

/* The traced program runs on one thread; with more, this would need an atomic addition. */
static uint64_t executed, begun, blocks, period = 4099, window = 512; /* a prime: no loop keeps step with it */
static bool inside, sampling;
static FILE *out;

static void on_executed(unsigned cpu, void *data) {
  (void)cpu;
  struct block *block = data;
  uint64_t position = (executed - begun + period / 2) % period;
  executed += block->count;
  if (!inside || position >= window) {
    sampling = false;
    return;
  }
  if (block->text) {
    fprintf(out, "\nblock %llu%s", (unsigned long long)block->id, block->text);
    free(block->text);
    block->text = NULL;
    sampling = false; /* a line of its own ends the window's */
  }
  if (!sampling) fputs("\nwindow", out);
  sampling = true;
  fprintf(out, " %llu", (unsigned long long)block->id);
}

static struct block *read_block(struct qemu_plugin_tb *code) {
  struct block *block = malloc(sizeof *block);
  *block = (struct block){.id = blocks++, .count = qemu_plugin_tb_n_insns(code)};
  char *end = block->text = malloc(block->count * 32 + 1); /* no instruction has more than 15 bytes */
  for (size_t n = 0; n < block->count; n++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(code, n);
    const uint8_t *bytes = qemu_plugin_insn_data(instruction);
    *end++ = ' ';
    for (size_t i = 0; i < qemu_plugin_insn_size(instruction); i++) end += sprintf(end, "%02x", bytes[i]);
  }
  return block;
}

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *code) {
  (void)id;
  if (out)
    qemu_plugin_register_vcpu_tb_exec_cb(code, on_executed, QEMU_PLUGIN_CB_NO_REGS, read_block(code));
  else
    qemu_plugin_register_vcpu_tb_exec_inline(code, QEMU_PLUGIN_INLINE_ADD_U64, &executed, qemu_plugin_tb_n_insns(code));
}

static void on_syscall(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c,
                       uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)cpu, (void)a, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if ((number != GETPRIORITY_ARM && number != GETPRIORITY_X86) || (uint32_t)b != MARK) return;
  fprintf(stderr, "icount %llu\n", (unsigned long long)executed);
  if (out && inside) {
    fprintf(out, "\nsection %llu", (unsigned long long)(executed - begun));
    fflush(out);
  }
  inside = !inside;
  begun = executed;
  sampling = false;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  (void)info;
  for (int n = 0; n < argc; n++) {
    if (!strncmp(argv[n], "out=", 4)) out = fopen(argv[n] + 4, "w");
    if (!strncmp(argv[n], "period=", 7)) period = strtoull(argv[n] + 7, NULL, 10);
    if (!strncmp(argv[n], "window=", 7)) window = strtoull(argv[n] + 7, NULL, 10);
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
  return 0;
}
