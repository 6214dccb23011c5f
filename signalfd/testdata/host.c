#include <stdio.h>

char *CBlock(void);

int main(void) {
	puts(CBlock());
	return 0;
}
