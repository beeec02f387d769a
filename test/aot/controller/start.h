// Memory and files of a program for a controller.
#include <stddef.h>
#include <stdint.h>

// The memory that nothing else uses, for the model's workspace.
extern char workspace[], workspaceEnd[];

// The next bytes of input.bin, and of output.bin, in the folder of the emulator. 0: something went
// wrong.
int readInput(void *bytes, size_t count);
int writeOutput(const void *bytes, size_t count);
