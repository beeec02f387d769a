// What a controller runs before main, and reads and writes by: files of the emulator's host, by
// semihosting (Arm's specification, version 2).
#include "start.h"
#include <stddef.h>

extern char stackEnd[], initialValues[], dataBegin[], dataEnd[];
int main(void);

enum { openFile = 1, writeFile = 5, readFile = 6, exitExtended = 0x20, stopped = 0x20026 };

static intptr_t callHost(int operation, const void *argument) {
  register intptr_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static intptr_t fileOf(const char *name, size_t length, int mode) {
  uintptr_t arguments[] = {(uintptr_t)name, (uintptr_t)mode, length};
  return callHost(openFile, arguments);
}

int readInput(void *bytes, size_t count) {
  static intptr_t file;
  if (!file)
    file = fileOf("input.bin", 9, 1);
  uintptr_t arguments[] = {(uintptr_t)file, (uintptr_t)bytes, count};
  return count == 0 || callHost(readFile, arguments) == 0;
}

int writeOutput(const void *bytes, size_t count) {
  static intptr_t file;
  if (!file)
    file = fileOf("output.bin", 10, 5);
  uintptr_t arguments[] = {(uintptr_t)file, (uintptr_t)bytes, count};
  return count == 0 || callHost(writeFile, arguments) == 0;
}

static void leave(uintptr_t status) {
  uintptr_t arguments[] = {stopped, status};
  for (;;)
    callHost(exitExtended, arguments);
}

void start(void) {
  *(volatile uint32_t *)0xe000ed88 |= 0xf << 20; // CPACR: the unit for floats
  __asm__ volatile("dsb\n\tisb");
  // Memory is zero when the emulator starts.
  for (ptrdiff_t i = 0; i < dataEnd - dataBegin; ++i)
    dataBegin[i] = initialValues[i];
  leave((uintptr_t)main());
}

static void fail(void) { leave(90); }

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stackEnd, start, fail, fail, fail, fail, fail};
