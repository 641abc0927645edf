//! Seeds that once failed, each with its cause. A seed keeps its meaning only while the simulation draws the same
//! random numbers; each defect found also has a separate test elsewhere.

pub(super) const SEEDS: &[(u64, &str)] = &[
    (3_212, "a day cut over two pages whose `Estimated` changed in between was kept with both"),
    (6_516, "the identity of an object that was seen earlier was entered beside a later generation"),
    (27_765, "days of a displaced object outside of what a probe is of were committed without control sums"),
    (26_549, "two objects of one generation with different days were merged under the identity of one of them"),
    (66, "a run that lost a new table to another account wrote what the next of its fetches had read all the same"),
    (306, "a run that knew its account and read nothing left it in the ledger: the table was another one's for good"),
    (78_753, "totals that were asked for once more and had lost their first day were taken for the others"),
    (97_250, "a run that asked the totals alone did not write its account down with the table"),
    (1_210, "what was rebuilt from another account's object stayed in the ledger where the second look failed"),
];
