//! Vectors at a byte a dimension, each with its scale, and their dot products with a query.

/// Rows of 8-bit vectors. A row's value is `scale × integer`; rows without a direction have scale 0.
pub(crate) struct Vectors {
    dimension: usize,
    values: Vec<i8>,
    scales: Vec<f32>,
}

impl Vectors {
    /// None where there is not one vector of one dimension for each passage.
    pub(crate) fn new(vectors: &[Vec<f32>], passages: usize) -> Option<Self> {
        let dimension = vectors.first()?.len();
        if vectors.len() != passages || dimension == 0 || vectors.iter().any(|vector| vector.len() != dimension) {
            return None;
        }
        let mut values = Vec::with_capacity(passages * dimension);
        let mut scales = Vec::with_capacity(passages);
        for vector in vectors {
            let (row, scale) = quantise(vector);
            values.extend(row);
            scales.push(scale);
        }
        Some(Self { dimension, values, scales })
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn bytes(&self) -> usize {
        self.values.len() + self.scales.len() * size_of::<f32>()
    }

    /// The cosine of every row with the query, which must have the rows' dimension.
    pub(crate) fn cosines(&self, query: &[f32]) -> Vec<f32> {
        let (query, scale) = quantise(query);
        let mut cosines = vec![0.0; self.scales.len()];
        scan(&self.values, &query, &mut cosines);
        cosines.iter_mut().zip(&self.scales).for_each(|(cosine, row_scale)| *cosine *= row_scale * scale);
        cosines
    }
}

/// A vector of length one in steps of its largest component's 127th.
fn quantise(vector: &[f32]) -> (Vec<i8>, f32) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    let largest = vector.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    if length <= f32::EPSILON || !length.is_finite() {
        return (vec![0; vector.len()], 0.0);
    }
    let step = largest / 127.0;
    #[expect(clippy::cast_possible_truncation, reason = "the quotient is between -127 and 127")]
    let row = vector.iter().map(|x| (x / step).round() as i8).collect();
    (row, step / length)
}

fn scan(rows: &[i8], query: &[i8], products: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        #[expect(unsafe_code, reason = "the call only needs AVX2, which was detected on the line above; it is three times as fast")]
        unsafe {
            scan_avx2(rows, query, products);
        }
        return;
    }
    scan_any(rows, query, products);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn scan_avx2(rows: &[i8], query: &[i8], products: &mut [f32]) {
    scan_any(rows, query, products);
}

#[inline(always)]
fn scan_any(rows: &[i8], query: &[i8], products: &mut [f32]) {
    for (row, product) in rows.chunks_exact(query.len()).zip(products) {
        let sum: i32 = row.iter().zip(query).map(|(&x, &y)| i32::from(i16::from(x) * i16::from(y))).sum();
        *product = sum as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_within_a_hundredth_of_the_exact_ones() {
        let vector = |seed: u32| -> Vec<f32> { (0..384u32).map(|n| ((n * 7919 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0).collect() };
        let rows: Vec<Vec<f32>> = (1..20).map(vector).collect();
        let query = vector(3);
        let length = |v: &[f32]| crate::model::dot(v, v).sqrt();
        let vectors = Vectors::new(&rows, rows.len()).expect("rows of one dimension");
        for (row, cosine) in rows.iter().zip(vectors.cosines(&query)) {
            let exact = crate::model::dot(row, &query) / (length(row) * length(&query));
            assert!((cosine - exact).abs() < 0.01, "{cosine} {exact}");
        }
    }

    #[test]
    fn vectors_that_do_not_fit_the_passages_are_not_used() {
        assert!(Vectors::new(&[], 0).is_none());
        assert!(Vectors::new(&[vec![1.0]], 2).is_none());
        assert!(Vectors::new(&[vec![1.0], vec![1.0, 0.0]], 2).is_none());
    }
}
