//! What no library has: the replacement of a part in place.

use thunder_tensor::DType;

use super::error::{CudaError, Result, said};
use super::executor::{Executor, Invocation, Prepared, Site};
use super::loaded::Loaded;
use crate::program::{Dims, LibraryOp};

/// Threads of a block.
const THREADS: usize = 256;

/// The most blocks: a few for every multiprocessor; threads take several units.
const BLOCKS: usize = 1024;

/// Claims replacements of parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

impl Executor for Builtin {
    fn name(&self) -> &'static str {
        "builtin"
    }

    fn claims(&self, op: &LibraryOp, _dims: &Dims) -> bool {
        matches!(op, LibraryOp::UpdateSlice(_))
    }

    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>> {
        let LibraryOp::UpdateSlice(op) = site.op else { unreachable!("an executor prepares what it claims") };
        let inner = site.size(op.inner) * op.dtype.size();
        // Whatever divides rows and addresses.
        let aligned = (inner | site.alignments[0] | site.alignments[2]).trailing_zeros().min(3);
        let (unit, name) = (1 << aligned, format!("update_{}", 1 << aligned));
        let kernel = Loaded::new(site.gpu, ptx(), &name, [THREADS, 0])?;
        let (inner, extent, length) = (inner / unit, site.size(op.extent), site.size(op.length));
        let total = site.size(op.outer) * length * inner;
        let kind = match op.start {
            DType::U8 => 0,
            DType::I8 => 1,
            DType::I16 => 2,
            DType::I32 => 3,
            _ => 4,
        };
        let numbers = [total, extent, length, inner, kind].map(|number| number as u64);
        Ok(Box::new(PreparedUpdate { kernel, numbers }))
    }
}

struct PreparedUpdate {
    kernel: Loaded,
    /// Units of the part, extent, length, units of a position, and how the start is stored.
    numbers: [u64; 5],
}

impl Prepared for PreparedUpdate {
    fn run(&self, invocation: &Invocation<'_>) -> Result {
        let total = self.numbers[0] as usize;
        if total == 0 {
            return Ok(());
        }
        let blocks = total.div_ceil(THREADS).min(BLOCKS) as u32;
        let numbers = invocation.operands.iter().chain(&self.numbers).copied();
        // SAFETY: the kernel takes three addresses and five numbers, and touches the part and where it fits in out, which
        // the plan has checked.
        unsafe { self.kernel.start(invocation.gpu, blocks, numbers) }.map_err(|e| CudaError::Library {
            library: "builtin",
            op: "update_slice",
            error: said(e),
        })
    }
}

/// `update_W(part, start, out, total, extent, length, inner, kind)` for units of W bytes.
fn ptx() -> String {
    let mut text = ".version 7.0\n.target sm_70\n.address_size 64\n".to_owned();
    for (width, kind, register) in [(1, "u8", "h"), (2, "u16", "h"), (4, "u32", "r"), (8, "u64", "d")] {
        text += &UPDATE
            .replace("WIDTH", &width.to_string())
            .replace("KIND", kind)
            .replace("%VALUE", &format!("%{register}0"));
    }
    text
}

const UPDATE: &str = "\
.visible .entry update_WIDTH(.param .u64 part, .param .u64 start, .param .u64 out, .param .u64 total,
  .param .u64 extent, .param .u64 length, .param .u64 inner, .param .u64 kind)
{
  .reg .pred %p;
  .reg .b16 %h<2>;
  .reg .b32 %r<8>;
  .reg .b64 %d<24>;
  ld.param.u64 %d1, [part];
  ld.param.u64 %d2, [start];
  ld.param.u64 %d3, [out];
  ld.param.u64 %d4, [total];
  ld.param.u64 %d5, [extent];
  ld.param.u64 %d6, [length];
  ld.param.u64 %d7, [inner];
  ld.param.u64 %d8, [kind];
  setp.eq.u64 %p, %d8, 0;
  @%p ld.global.u8 %d9, [%d2];
  setp.eq.u64 %p, %d8, 1;
  @%p ld.global.s8 %d9, [%d2];
  setp.eq.u64 %p, %d8, 2;
  @%p ld.global.s16 %d9, [%d2];
  setp.eq.u64 %p, %d8, 3;
  @%p ld.global.s32 %d9, [%d2];
  setp.eq.u64 %p, %d8, 4;
  @%p ld.global.s64 %d9, [%d2];
  sub.s64 %d10, %d5, %d6;
  min.s64 %d9, %d9, %d10;
  max.s64 %d9, %d9, 0;
  mul.lo.s64 %d11, %d6, %d7;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mov.u32 %r4, %nctaid.x;
  mad.wide.u32 %d12, %r1, %r2, 0;
  cvt.u64.u32 %d13, %r3;
  add.s64 %d12, %d12, %d13;
  mul.wide.u32 %d14, %r2, %r4;
next:
  setp.ge.s64 %p, %d12, %d4;
  @%p bra done;
  div.u64 %d15, %d12, %d11;
  mul.lo.s64 %d16, %d15, %d11;
  sub.s64 %d16, %d12, %d16;
  mad.lo.s64 %d17, %d15, %d5, %d9;
  mad.lo.s64 %d17, %d17, %d7, %d16;
  mad.lo.s64 %d18, %d12, WIDTH, %d1;
  mad.lo.s64 %d19, %d17, WIDTH, %d3;
  ld.global.KIND %VALUE, [%d18];
  st.global.KIND [%d19], %VALUE;
  add.s64 %d12, %d12, %d14;
  bra next;
done:
  ret;
}
";
