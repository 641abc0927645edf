//! The simulated company: its accounts, regions, teams and products.

/// What a linked account is for: every organisation has one account of each unit. `id` and `name` are the company's.
/// `weight` is its size in permille of a typical one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) weight: i64,
    pub(super) env: &'static str,
    pub(super) region: Region,
}

/// A linked account of an organisation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) name: String,
    /// The account that pays.
    pub(super) payer: String,
    /// Its size in permille of a typical one.
    pub(super) weight: i64,
    pub(super) unit: &'static Unit,
}

/// A region with the prefix of its usage types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) name: &'static str,
    pub(super) prefix: &'static str,
}

const VIRGINIA: Region = Region { name: "us-east-1", prefix: "" };
const OREGON: Region = Region { name: "us-west-2", prefix: "USW2-" };
const IRELAND: Region = Region { name: "eu-west-1", prefix: "EU-" };
const FRANKFURT: Region = Region { name: "eu-central-1", prefix: "EUC1-" };

/// The region of services without a region.
pub(super) const GLOBAL: Region = Region { name: "global", prefix: "" };
/// The region of charges that belong to no place (tax, support, fees).
pub(super) const NOWHERE: Region = Region { name: "NoRegion", prefix: "" };
/// All regions in use.
pub(super) const REGIONS: [Region; 4] = [VIRGINIA, OREGON, IRELAND, FRANKFURT];

/// The units; the accounts of the first one pay.
#[rustfmt::skip]
pub(super) static UNITS: [Unit; 8] = [
    unit(COMPANY, "harbor-payer", 250, "shared", VIRGINIA),
    unit("004400219873", "harbor-security", 300, "shared", VIRGINIA),
    unit("210987654321", "harbor-web-prod", 2_600, "prod", IRELAND),
    unit("318820017745", "harbor-data-prod", 2_300, "prod", VIRGINIA),
    unit("427711930056", "harbor-mobile-prod", 1_400, "prod", FRANKFURT),
    unit("539920184437", "harbor-staging", 700, "staging", IRELAND),
    unit("640018273645", "harbor-dev", 450, "dev", IRELAND),
    unit("871265409918", "Harbor Labs (R&D)", 350, "", OREGON),
];

/// The company's payer account.
pub(super) const COMPANY: &str = "000123456789";

const fn unit(id: &'static str, name: &'static str, weight: i64, env: &'static str, region: Region) -> Unit {
    Unit { id, name, weight, env, region }
}

/// An unusual tag value that clients must preserve unchanged.
pub(super) const ODD_TEAM: &str = "r&d/50% $=\"moon\\shot\" 🚀";

/// Values of the tag `team`, repeated in proportion to their frequency; empty is untagged.
pub(super) const TEAMS: [&str; 14] =
    ["platform", "platform", "data", "data", "web", "web", "web", "mobile", "security", "Web", "", "", "", ODD_TEAM];

/// The value of the cost category `Product` for a team.
pub(super) fn product(team: &str) -> &'static str {
    match team {
        "web" | "Web" => "Storefront",
        "mobile" => "Mobile App",
        "data" => "Insights",
        "platform" | "security" => "Shared Platform",
        _ => "",
    }
}
