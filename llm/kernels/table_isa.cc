// The table of one instruction set. Compiled once for each.
#include "llm/kernels/attention_isa.h"
#include "llm/kernels/elementwise_isa.h"
#include "llm/kernels/gemm_isa.h"
#include "llm/kernels/kernel_table.h"
#include "llm/kernels/lm_head_isa.h"
#include "llm/kernels/packed_isa.h"

#define GFN_STRING_INNER(x) #x
#define GFN_STRING(x) GFN_STRING_INNER(x)

namespace gfn::GFN_ISA {

const KernelTable kTable = {
    .name = GFN_STRING(GFN_ISA) + sizeof("isa_") - 1,
    .operand_words = OperandWords,
    .pack_rows = PackRows,
    .prepare_rows = PrepareRows,
    .apply = Apply,
    .apply_scratch = ApplyScratch,
    .apply_transposed = ApplyTransposed,
    .transposed_scratch = TransposedScratch,
    .copy_slice = CopySlice,
    .gemm = Gemm,
    .attention_forward = AttentionForward,
    .attention_backward = AttentionBackward,
    .attention_scratch = AttentionScratch,
    .rms_norm_forward = RmsNormForward,
    .rms_norm_backward = RmsNormBackward,
    .layer_norm_forward = LayerNormForward,
    .layer_norm_backward = LayerNormBackward,
    .rotary = Rotary,
    .swiglu_forward = SwigluForward,
    .swiglu_backward = SwigluBackward,
    .geglu_forward = GegluForward,
    .geglu_backward = GegluBackward,
    .gelu_forward = GeluForward,
    .gelu_backward = GeluBackward,
    .exp = ExpArray,
    .sum_exponentials = SumExponentials,
    .softmax_times = SoftmaxTimes,
};

}  // namespace gfn::GFN_ISA
