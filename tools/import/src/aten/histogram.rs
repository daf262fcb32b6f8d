//! Histograms: how many elements, or points, are between edges.

use thunder_trace::{DType, Dim, Tensor};

use super::create::evenly_between;
use super::{Entry, many, one};
use crate::arguments::{Answer, Call, ensure, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.histc.default"], |c| {
        let (x, bins) = (c.tensor("self")?.reshape([-1]), c.int_or("bins", 100)?);
        let (least, most) = (c.float_or("min", 0.0)?, c.float_or("max", 0.0)?);
        let full = |value: f64| c.cx.full((), value, x.dtype());
        let (mut low, mut high) = (full(least), full(most));
        if least == most && x.size(0).known() != Some(0) {
            (low, high) = (x.amin(..), x.amax(..));
        }
        let is_point = low.eq(high);
        let (low, high) = (is_point.where_(low - 1.0, low), is_point.where_(high + 1.0, high));
        let is_inside = x.ge(low) & x.le(high);
        let place = ((x - low) / (high - low) * bins as f64).clamp(Some(0.0), Some((bins - 1) as f64));
        let place = is_inside.where_(place, 0.0).to(DType::I64);
        Ok(c.cx.zeros([bins], x.dtype()).index_add(0, place, is_inside.to(x.dtype())))
    }),
    many(&["aten.histogram.bin_ct"], |c| {
        let row = c.tensor("self")?.reshape([-1]);
        let edges = even_edges(c, row, c.int_or("bins", 100)?, range(c, 1)?.first().copied())?;
        counted(c, &[row], vec![edges], between)
    }),
    many(&["aten.histogram.bins_tensor"], |c| {
        counted(c, &[c.tensor("self")?.reshape([-1])], vec![c.tensor("bins")?], between)
    }),
    many(&["aten.histogramdd.default", "aten.histogramdd.int_bins"], |c| {
        let columns = columns(c)?;
        let mut bins = c.ints("bins")?;
        if bins.len() == 1 {
            bins.resize(columns.len(), bins[0]);
        }
        ensure(
            bins.len() == columns.len(),
            format!("{} numbers of bins for {} dimensions", bins.len(), columns.len()),
        )?;
        let ranges = range(c, columns.len())?;
        let edges = columns.iter().zip(bins).enumerate();
        let edges = edges.map(|(axis, (column, bins))| even_edges(c, *column, bins, ranges.get(axis).copied()));
        let edges = edges.collect::<Answer<_>>()?;
        counted(c, &columns, edges, by_distance)
    }),
    many(&["aten.histogramdd.TensorList_bins"], |c| counted(c, &columns(c)?, c.tensors("bins")?, between)),
];

/// The coordinates of points along each dimension; points are the last dimension.
fn columns<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let x = c.tensor("self")?;
    let Some(count) = x.shape().last().and_then(Dim::known) else {
        return gap("points of a dynamic number of dimensions");
    };
    let rows = x.reshape([-1, count]);
    Ok((0..count).map(|axis| rows.select(1, axis)).collect())
}

/// The least and the greatest coordinate that counts, for each of some dimensions; none where the points say it.
fn range(c: &Call<'_, '_>, dimensions: usize) -> Answer<Vec<[f64; 2]>> {
    if !c.has("range") {
        return Ok(Vec::new());
    }
    let bounds = c.floats("range")?;
    ensure(bounds.len() == 2 * dimensions, format!("{} bounds of {dimensions} dimensions", bounds.len()))?;
    Ok(bounds.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
}

/// The edges of bins of one width.
fn even_edges<'t>(c: &Call<'_, 't>, x: Tensor<'t>, bins: i64, range: Option<[f64; 2]>) -> Answer<Tensor<'t>> {
    ensure(bins > 0, format!("{bins} bins"))?;
    let [low, high] = match range {
        Some([low, high]) => {
            ensure(low <= high, format!("a range from {low} to {high}"))?;
            [low, high].map(|bound| c.cx.full((), bound, x.dtype()))
        }
        None if x.size(0).known() == Some(0) => [0.0, 1.0].map(|bound| c.cx.full((), bound, x.dtype())),
        None => [x.amin(..), x.amax(..)],
    };
    // What has no width gets some.
    let is_point = low.eq(high);
    let (low, high) = (is_point.where_(low - 0.5, low), is_point.where_(high + 0.5, high));
    Ok(evenly_between(c.cx, low, high, bins + 1))
}

/// The bin of each coordinate, and whether it is in any; the last bin has both its edges.
type Bins = for<'t> fn(Tensor<'t>, Tensor<'t>) -> Tensor<'t>;

fn between<'t>(x: Tensor<'t>, edges: Tensor<'t>) -> Tensor<'t> {
    edges.searchsorted(x, true) - 1
}

/// As PyTorch has it where several dimensions have bins of one width.
fn by_distance<'t>(x: Tensor<'t>, edges: Tensor<'t>) -> Tensor<'t> {
    let (first, last) = (edges.slice(0, 0..1), edges.slice(0, -1..));
    let bins = edges.size(0).known().unwrap_or_default() - 1;
    ((x - first) * bins as f64 / (last - first)).to(DType::I64)
}

/// The number or the weight of points in each bin, or their density, and the edges.
fn counted<'t>(c: &Call<'_, 't>, points: &[Tensor<'t>], edges: Vec<Tensor<'t>>, bin: Bins) -> Answer<Vec<Tensor<'t>>> {
    let Some(first) = points.first().filter(|_| points.len() == edges.len()) else {
        return malformed(format!("{} rows of edges for {} dimensions", edges.len(), points.len()));
    };
    let dtype = first.dtype();
    let mut place = c.cx.zeros(first.shape(), DType::I64);
    let (mut weight, mut sizes) = (c.cx.ones(first.shape(), dtype), Vec::new());
    if let Some(own) = c.optional("weight")? {
        weight = own.reshape([-1]);
    }
    for (x, edges) in points.iter().zip(&edges) {
        let Some(bins @ 1..) = edges.size(0).known().map(|count| count - 1) else {
            return gap("a number of edges that is not known, or too few");
        };
        let is_inside = x.ge(edges.slice(0, 0..1)) & x.le(edges.slice(0, -1..));
        weight = is_inside.where_(weight, 0.0);
        place = place * bins + is_inside.where_(bin(*x, *edges), 0).clamp(Some(0), Some(bins - 1));
        sizes.push(bins);
    }
    let total = sizes.iter().try_fold(1i64, |n, bins| n.checked_mul(*bins));
    let Some(total) = total else { return malformed("too many bins") };
    let mut counts = c.cx.zeros([total], dtype).index_add(0, place, weight).reshape(sizes.clone());
    if c.bool_or("density", false)? {
        counts = counts / counts.sum(..);
        for (axis, edges) in edges.iter().enumerate() {
            let widths = edges.slice(0, 1..) - edges.slice(0, ..-1);
            counts = counts / (axis + 1..sizes.len()).fold(widths, |widths, _| widths.unsqueeze(-1));
        }
    }
    Ok([vec![counts], edges].concat())
}
