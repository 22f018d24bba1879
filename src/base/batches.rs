//! A list worked through on every core, a batch at a time.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many threads or processes are worth running at a time.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Gives what `work` makes of every item, in their order. Batches have as many items as make one for
/// each core, but `smallest` and `largest` bound them: a small batch may cost more than another core
/// brings, what comes of a large one may take too much memory.
///
/// # Errors
/// The first error of a batch, in the order of the items; the others are worked through all the same.
pub fn in_batches<T: Sync, R: Send, E: Send>(
    items: &[T],
    (smallest, largest): (usize, usize),
    work: impl Fn(&[T]) -> Result<Vec<R>, E> + Sync,
) -> Result<Vec<R>, E> {
    let workers = cores().min(items.len().div_ceil(smallest)).max(1);
    let size = items.len().div_ceil(workers).clamp(1, largest);
    let batches: Vec<&[T]> = items.chunks(size).collect();
    if let [batch] = batches.as_slice() {
        return work(batch);
    }
    let results: Vec<_> = batches.iter().map(|_| Mutex::new(Ok(Vec::new()))).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(batch), Some(slot)) = (batches.get(place), results.get(place)) else {
                        return;
                    };
                    let found = work(batch);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = found;
                }
            });
        }
    });
    let mut all = Vec::with_capacity(items.len());
    for result in results {
        all.extend(
            result
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)?,
        );
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_of_the_items_stands_in_their_order() {
        let items: Vec<usize> = (0..1000).collect();
        for bounds in [(1, 7), (1, 1000), (900, 1000)] {
            let largest = AtomicUsize::new(0);
            let doubled = in_batches(&items, bounds, |some| {
                largest.fetch_max(some.len(), Ordering::Relaxed);
                Ok::<_, ()>(some.iter().map(|n| n * 2).collect())
            });
            let expected: Vec<usize> = (0..1000).map(|n| n * 2).collect();
            assert_eq!(doubled.unwrap(), expected);
            assert!(largest.into_inner() <= bounds.1);
        }
        let nothing = in_batches(&[] as &[u8], (1, 5), |some| Ok::<_, ()>(some.to_vec()));
        assert!(nothing.unwrap().is_empty());
    }

    #[test]
    fn the_first_error_counts() {
        let items: Vec<usize> = (0..100).collect();
        let found = in_batches(&items, (1, 5), |some| match some[0] {
            20.. => Err(some[0]),
            _ => Ok(some.to_vec()),
        });
        assert_eq!(found, Err(20));
    }
}
