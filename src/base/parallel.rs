//! Works through a list on every core.

use std::num::NonZero;
use std::sync::{Once, OnceLock};

use rayon::prelude::*;
use tracing::Span;

/// The stack of a thread that works on trees, in bytes: a step down for each folder of a path. Only what
/// is used takes memory.
pub const STACK: usize = 16 << 20;

/// Starts the threads that all calls share, with a large stack and the priority of the caller.
pub(super) fn prepare_threads() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let threads = rayon::ThreadPoolBuilder::new().stack_size(STACK);
        // They may have been started before, with the usual stack.
        let _ = threads.build_global();
    });
}

/// Returns the number of threads or processes that can run at once.
pub fn cores() -> usize {
    // Finding out reads three files of the control group.
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// Maps every item; results keep the order of the items.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    // One item a job: items cost a process each, so that sharing them evenly matters most.
    prepare_threads();
    let span = Span::current();
    let work = |item| span.in_scope(|| work(item));
    items.par_iter().with_max_len(1).map(work).collect()
}

/// Maps items batch by batch; results keep the order of the items. There is one batch per core, but
/// at least `smallest` items in each, because a batch costs a process, and at most `largest`, because
/// the output of a batch is held in memory.
///
/// # Errors
/// The first error in the order of the items; the other batches run anyway.
pub fn in_batches<T: Sync, R: Send, E: Send>(
    items: &[T],
    (smallest, largest): (usize, usize),
    work: impl Fn(&[T]) -> Result<Vec<R>, E> + Sync + Send,
) -> Result<Vec<R>, E> {
    let workers = cores().min(items.len().div_ceil(smallest)).max(1);
    let size = items.len().div_ceil(workers).clamp(1, largest);
    prepare_threads();
    let span = Span::current();
    let work = |batch| span.in_scope(|| work(batch));
    let batches = items.par_chunks(size).with_max_len(1).map(work);
    let batches: Vec<Result<Vec<R>, E>> = batches.collect();
    let mut all = Vec::with_capacity(items.len());
    for batch in batches {
        all.extend(batch?);
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
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
    fn the_first_error_is_returned() {
        let items: Vec<usize> = (0..100).collect();
        let found = in_batches(&items, (1, 5), |some| match some[0] {
            20.. => Err(some[0]),
            _ => Ok(some.to_vec()),
        });
        assert_eq!(found, Err(20));
    }
}
