//! What the lake does: conditions, lost answers, crashes, two writers.
