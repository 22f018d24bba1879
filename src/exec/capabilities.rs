//! Takes those capabilities from a confined worker of root that lead around the rules of its sandbox.

use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

/// Rights over other processes' memory and environments, over the kernel, and over raw devices.
const AROUND_THE_RULES: &[CapabilitySet] = &[
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::PERFMON,
    CapabilitySet::BPF,
    CapabilitySet::SYS_MODULE,
    CapabilitySet::SYS_RAWIO,
    CapabilitySet::MKNOD,
    CapabilitySet::DAC_READ_SEARCH,
];

/// Removes them from what this thread's programs can have. Another user than root has none of them,
/// and may not remove them; nothing is lost there.
pub(super) fn drop_those_around_the_rules() {
    for capability in AROUND_THE_RULES {
        let _ = remove_capability_from_bounding_set(*capability);
    }
}
