//! Vectors at a byte a dimension, each with its scale, and their cosines with a query. A passage may have several: the nearest one counts.
//!
//! A large index is not scanned whole: one bit a dimension tells which rows lie on the query's side of the middle, and only the best of them by that are
//! compared in full.

use crate::passage::LATER_PIECE_WORTH;

/// Rows of 8-bit vectors. A row's value is `scale × integer`; rows without a direction have scale 0.
pub(crate) struct Vectors {
    dimension: usize,
    values: Vec<i8>,
    scales: Vec<f32>,
    /// Of passage n: rows `firsts[n]..firsts[n + 1]`.
    firsts: Vec<u32>,
    signs: Option<Signs>,
}

/// One bit a dimension and row: whether the row is above the middle of all rows there.
struct Signs {
    middle: Vec<f32>,
    words_each: usize,
    words: Vec<u64>,
    /// The passage of each row.
    passages: Vec<u32>,
}

/// Up to here every row is compared in full.
const ROWS_COMPARED_IN_FULL: usize = 8_192;
/// Of more rows, this many are: enough that the best ten of the whole are among them (measured in `examples/measure`).
const ROWS_CHOSEN_BY_SIGNS: usize = 2_048;
const SCALE_BYTES: usize = size_of::<f32>();
const BITS_OF_A_WORD: usize = u64::BITS as usize;

/// A query as the rows are stored.
pub(crate) struct Quantised {
    values: Vec<i8>,
    scale: f32,
    exact: Vec<f32>,
}

impl Vectors {
    /// `rows_each` is how many vectors each passage has. None where the vectors are not of one dimension or not as many as that.
    pub(crate) fn new(vectors: &[Vec<f32>], rows_each: impl Iterator<Item = usize>) -> Option<Self> {
        let dimension = vectors.first()?.len();
        let mut firsts = vec![0u32];
        firsts.extend(rows_each.scan(0, |first, rows| {
            *first += u32::try_from(rows).ok()?;
            Some(*first)
        }));
        if firsts.last().copied() != u32::try_from(vectors.len()).ok() || dimension == 0 || vectors.iter().any(|vector| vector.len() != dimension) {
            return None;
        }
        let mut values = Vec::with_capacity(vectors.len() * dimension);
        let mut scales = Vec::with_capacity(vectors.len());
        for vector in vectors {
            let (row, scale) = quantise(vector);
            values.extend(row);
            scales.push(scale);
        }
        for rows in firsts.windows(2) {
            scales[rows[0] as usize..rows[1] as usize].iter_mut().skip(1).for_each(|scale| *scale *= LATER_PIECE_WORTH);
        }
        let signs = (vectors.len() > ROWS_COMPARED_IN_FULL).then(|| Signs::of(vectors, &firsts));
        Some(Self { dimension, values, scales, firsts, signs })
    }

    /// A passage's rows, each behind its scale.
    pub(crate) fn to_bytes(&self, passage: u32) -> Vec<u8> {
        let row = |row: usize| self.scales[row].to_le_bytes().into_iter().chain(self.row(row).iter().map(|value| value.to_le_bytes()[0]));
        self.rows(passage).flat_map(row).collect()
    }

    /// What `to_bytes` gave of each passage. None where there is nothing, or something else.
    pub(crate) fn of_bytes<'a>(dimension: usize, passages: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut vectors = Self { dimension, values: Vec::new(), scales: Vec::new(), firsts: vec![0], signs: None };
        for bytes in passages {
            let rows = bytes.chunks_exact(SCALE_BYTES + dimension);
            if dimension == 0 || !rows.remainder().is_empty() {
                return None;
            }
            for row in rows {
                let (scale, values) = row.split_first_chunk::<SCALE_BYTES>()?;
                vectors.scales.push(f32::from_le_bytes(*scale));
                vectors.values.extend(values.iter().map(|value| i8::from_le_bytes([*value])));
            }
            vectors.firsts.push(u32::try_from(vectors.scales.len()).ok()?);
        }
        Some(vectors)
    }

    /// A passage's rows as they count, in numbers.
    pub(crate) fn directions(&self, passage: u32) -> Vec<Vec<f32>> {
        self.rows(passage).map(|row| self.row(row).iter().map(|value| f32::from(*value) * self.scales[row]).collect()).collect()
    }

    fn rows(&self, passage: u32) -> std::ops::Range<usize> {
        self.firsts[passage as usize] as usize..self.firsts[passage as usize + 1] as usize
    }

    fn row(&self, row: usize) -> &[i8] {
        &self.values[row * self.dimension..(row + 1) * self.dimension]
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn bytes(&self) -> usize {
        let signs = self.signs.as_ref().map_or(0, |signs| signs.words.len() * size_of::<u64>() + signs.passages.len() * size_of::<u32>());
        self.values.len() + (self.scales.len() + self.firsts.len()) * size_of::<f32>() + signs
    }

    /// None for a query of another dimension.
    pub(crate) fn query(&self, query: &[f32]) -> Option<Quantised> {
        let (values, scale) = quantise(query);
        (query.len() == self.dimension).then(|| Quantised { values, scale, exact: query.to_vec() })
    }

    /// The nearest passages with their cosines, in no order: all of them, or of a large index those whose signs are most like the query's.
    pub(crate) fn near(&self, query: &Quantised) -> Vec<(u32, f32)> {
        let Some(signs) = &self.signs else {
            return self.cosines(query);
        };
        let mut passages: Vec<u32> = signs.nearest(&query.exact, ROWS_CHOSEN_BY_SIGNS).into_iter().map(|row| signs.passages[row as usize]).collect();
        passages.sort_unstable();
        passages.dedup();
        passages.into_iter().map(|passage| (passage, self.cosine(query, passage))).collect()
    }

    pub(crate) fn cosine(&self, query: &Quantised, passage: u32) -> f32 {
        let mut products = [0.0; 1];
        let mut nearest = f32::NEG_INFINITY;
        for row in self.rows(passage) {
            scan(self.row(row), &query.values, &mut products);
            nearest = nearest.max(products[0] * self.scales[row] * query.scale);
        }
        nearest
    }

    fn cosines(&self, query: &Quantised) -> Vec<(u32, f32)> {
        let mut rows = vec![0.0; self.scales.len()];
        scan(&self.values, &query.values, &mut rows);
        rows.iter_mut().zip(&self.scales).for_each(|(cosine, scale)| *cosine *= scale * query.scale);
        let nearest = |pair: &[u32]| rows[pair[0] as usize..pair[1] as usize].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (0u32..).zip(self.firsts.windows(2).map(nearest)).collect()
    }
}

impl Signs {
    fn of(vectors: &[Vec<f32>], firsts: &[u32]) -> Self {
        let dimension = vectors[0].len();
        let mut middle = vec![0.0; dimension];
        for vector in vectors {
            middle.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        }
        middle.iter_mut().for_each(|sum| *sum /= vectors.len() as f32);
        let words = vectors.iter().flat_map(|vector| bits(vector, &middle)).collect();
        let passages = (0u32..).zip(firsts.windows(2)).flat_map(|(passage, pair)| (pair[0]..pair[1]).map(move |_| passage)).collect();
        Self { middle, words_each: dimension.div_ceil(BITS_OF_A_WORD), words, passages }
    }

    /// The rows with the fewest signs unlike the query's.
    fn nearest(&self, query: &[f32], keep: usize) -> Vec<u32> {
        let query: Vec<u64> = bits(query, &self.middle).collect();
        let mut unlike = vec![0u16; self.passages.len()];
        count_unlike(&self.words, &query, &mut unlike);
        let mut rows_with = vec![0usize; self.words_each * BITS_OF_A_WORD + 1];
        unlike.iter().for_each(|&count| rows_with[count as usize] += 1);
        let mut all = 0;
        let most = rows_with.iter().position(|rows| {
            all += rows;
            all >= keep
        });
        let most = most.unwrap_or(rows_with.len());
        (0u32..).zip(&unlike).filter(|&(_, &count)| usize::from(count) <= most).map(|(row, _)| row).collect()
    }
}

fn bits<'a>(vector: &'a [f32], middle: &'a [f32]) -> impl Iterator<Item = u64> + 'a {
    let word =
        |(values, middles): (&[f32], &[f32])| values.iter().zip(middles).enumerate().fold(0, |word, (bit, (x, middle))| word | u64::from(x > middle) << bit);
    vector.chunks(BITS_OF_A_WORD).zip(middle.chunks(BITS_OF_A_WORD)).map(word)
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

/// Without overflow checks, which a development build would have and which keep it from being vectorised: a sum of products of bytes is far from overflowing.
#[inline(always)]
fn scan_any(rows: &[i8], query: &[i8], products: &mut [f32]) {
    for (row, product) in rows.chunks_exact(query.len()).zip(products) {
        let sum = row.iter().zip(query).fold(0i32, |sum, (&x, &y)| sum.wrapping_add(i32::from(x).wrapping_mul(i32::from(y))));
        *product = sum as f32;
    }
}

fn count_unlike(rows: &[u64], query: &[u64], counts: &mut [u16]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("popcnt") {
        #[expect(unsafe_code, reason = "the call only needs POPCNT, which was detected on the line above; it is many times as fast")]
        unsafe {
            count_unlike_popcnt(rows, query, counts);
        }
        return;
    }
    count_unlike_any(rows, query, counts);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn count_unlike_popcnt(rows: &[u64], query: &[u64], counts: &mut [u16]) {
    count_unlike_any(rows, query, counts);
}

#[inline(always)]
fn count_unlike_any(rows: &[u64], query: &[u64], counts: &mut [u16]) {
    for (row, count) in rows.chunks_exact(query.len()).zip(counts) {
        #[expect(clippy::cast_possible_truncation, reason = "a vector has fewer than 65,536 dimensions")]
        let unlike = row.iter().zip(query).fold(0u32, |sum, (x, y)| sum.wrapping_add((x ^ y).count_ones())) as u16;
        *count = unlike;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(seed: u32) -> Vec<f32> {
        let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..384).map(|_| draw()).collect()
    }

    fn exact(a: &[f32], b: &[f32]) -> f32 {
        let length = |v: &[f32]| crate::model::dot(v, v).sqrt();
        crate::model::dot(a, b) / (length(a) * length(b))
    }

    #[test]
    fn cosines_are_within_a_hundredth_of_the_exact_ones() {
        let rows: Vec<Vec<f32>> = (1..20).map(vector).collect();
        let query = vector(3);
        let vectors = Vectors::new(&rows, rows.iter().map(|_| 1)).expect("rows of one dimension");
        let quantised = vectors.query(&query).expect("the rows' dimension");
        for (passage, cosine) in vectors.near(&quantised) {
            let exact = exact(&rows[passage as usize], &query);
            assert!((cosine - exact).abs() < 0.01 && (vectors.cosine(&quantised, passage) - cosine).abs() < 1e-6, "{cosine} {exact}");
        }
        assert!(vectors.query(&[1.0]).is_none());
    }

    #[test]
    fn the_nearest_of_a_passages_vectors_counts() {
        let vectors = Vectors::new(&[vec![1.0, 0.0], vec![0.0, 1.0], vec![-1.0, 0.0]], [2, 1].into_iter()).expect("rows of one dimension");
        let near = vectors.near(&vectors.query(&[0.0, 1.0]).expect("the rows' dimension"));
        assert!((near[0].1 - LATER_PIECE_WORTH).abs() < 0.01 && near[1].1.abs() < 0.01 && near.len() == 2);
    }

    #[test]
    fn of_a_large_index_the_nearest_are_found_by_their_signs() {
        let rows: Vec<Vec<f32>> = (0..u32::try_from(ROWS_COMPARED_IN_FULL).unwrap_or(0) + 100).map(vector).collect();
        let vectors = Vectors::new(&rows, rows.iter().map(|_| 1)).expect("rows of one dimension");
        for wanted in [5u32, 4000, 8200] {
            // Half the row itself and half something else.
            let query: Vec<f32> = rows[wanted as usize].iter().zip(vector(wanted + 100_000)).map(|(x, y)| x + y).collect();
            let near = vectors.near(&vectors.query(&query).expect("the rows' dimension"));
            assert!(near.len() < rows.len() / 2);
            let best = near.iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("something is near");
            assert_eq!(best.0, wanted);
        }
    }

    #[test]
    fn vectors_that_do_not_fit_the_passages_are_not_used() {
        let one_each = |passages| std::iter::repeat_n(1, passages);
        assert!(Vectors::new(&[], one_each(0)).is_none());
        assert!(Vectors::new(&[vec![1.0]], one_each(2)).is_none());
        assert!(Vectors::new(&[vec![1.0], vec![1.0, 0.0]], one_each(2)).is_none());
    }
}
