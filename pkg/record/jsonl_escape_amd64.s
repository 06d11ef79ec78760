#include "go_asm.h"
#include "textflag.h"

// func shuffleBlocks(dst, src *byte, blocks int, tables *shuffleTables) (done, written int)
//
// Each block of 16 bytes is compared with the bytes that need an escape. Its halves
// are shuffled to their places, by the entry of tables for the quotes and backslashes
// in them, from a register whose other half is backslashes.
TEXT ·shuffleBlocks(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ blocks+16(FP), CX
	MOVQ DI, R10
	XORQ R11, R11               // blocks done
	MOVQ tables+24(FP), R8
	MOVOU shuffleTables_quote(R8), X10
	MOVOU shuffleTables_backslash(R8), X11
	MOVOU shuffleTables_del(R8), X12
	MOVOU shuffleTables_control(R8), X13
	LEAQ shuffleTables_sizes(R8), R9

next:
	CMPQ R11, CX
	JGE  end
	MOVOU (SI), X0

	// A control character, or a byte that is not ASCII, is not above 0x1f as a
	// signed number.
	MOVO    X0, X1
	PCMPGTB X13, X1
	MOVO    X0, X2
	PCMPEQB X12, X2
	PANDN   X1, X2              // above 0x1f, and not DEL
	PMOVMSKB X2, AX
	CMPL    AX, $0xffff
	JNE     end

	MOVO     X0, X1
	PCMPEQB  X10, X1
	MOVO     X0, X2
	PCMPEQB  X11, X2
	POR      X1, X2
	PMOVMSKB X2, AX
	MOVBLZX  AX, BX             // of the lower half
	SHRL     $8, AX             // of the upper half

	MOVO       X0, X1
	PUNPCKLQDQ X11, X1
	PUNPCKHQDQ X11, X0
	MOVQ       BX, DX
	SHLQ       $4, DX
	MOVOU      (R8)(DX*1), X3
	PSHUFB     X3, X1
	MOVOU      X1, (DI)
	MOVBQZX    (R9)(BX*1), BX
	ADDQ       BX, DI
	MOVQ       AX, DX
	SHLQ       $4, DX
	MOVOU      (R8)(DX*1), X3
	PSHUFB     X3, X0
	MOVOU      X0, (DI)
	MOVBQZX    (R9)(AX*1), AX
	ADDQ       AX, DI

	ADDQ $16, SI
	INCQ R11
	JMP  next

end:
	SUBQ R10, DI
	MOVQ R11, done+32(FP)
	MOVQ DI, written+40(FP)
	RET

// func hasSSSE3() bool
TEXT ·hasSSSE3(SB), NOSPLIT, $0-1
	MOVL $1, AX
	XORL CX, CX
	CPUID
	SHRL $9, CX
	ANDL $1, CX
	MOVB CX, ret+0(FP)
	RET
