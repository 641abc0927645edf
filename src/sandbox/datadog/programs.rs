//! The company's commitment programs: reservations and savings plans, with their terms and utilization.

/// The fields specific to each kind of commitment.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) enum Variant {
    Ec2 { instance: &'static str, system: &'static str, class: &'static str, zone: Option<&'static str> },
    Rds { instance: &'static str, engine: &'static str, multi_az: Option<bool> },
    Cache { instance: &'static str, engine: &'static str },
    AwsPlan { plan: &'static str },
    AzureMachine { instance: &'static str, sub_category: &'static str, name: &'static str },
    AzurePlan { name: &'static str },
}

/// One program. Money in cents, ratios in ten thousandths.
#[derive(Debug)]
pub(in crate::sandbox) struct Program {
    pub(in crate::sandbox) provider: &'static str,
    pub(in crate::sandbox) product: &'static str,
    pub(in crate::sandbox) kind: &'static str,
    pub(in crate::sandbox) variant: Variant,
    pub(in crate::sandbox) region: &'static str,
    pub(in crate::sandbox) purchase: &'static str,
    /// Length of a term in years, and the month and day it begins.
    pub(in crate::sandbox) term: i32,
    pub(in crate::sandbox) begins: (u32, u32),
    pub(in crate::sandbox) count: i64,
    /// Committed cents per hour, for all reservations together.
    pub(in crate::sandbox) hourly: i64,
    pub(in crate::sandbox) discount: i64,
    pub(in crate::sandbox) usual_utilization: i64,
}

const fn aws(
    product: &'static str,
    variant: Variant,
    region: &'static str,
    terms: (&'static str, i32, (u32, u32)),
    size: (i64, i64, i64, i64),
) -> Program {
    let kind = if matches!(variant, Variant::AwsPlan { .. }) { "sp" } else { "ri" };
    let (purchase, term, begins) = terms;
    let (count, hourly, discount, usual_utilization) = size;
    Program {
        provider: "aws",
        product,
        kind,
        variant,
        region,
        purchase,
        term,
        begins,
        count,
        hourly,
        discount,
        usual_utilization,
    }
}

const fn azure(
    variant: Variant,
    region: &'static str,
    terms: (i32, (u32, u32)),
    size: (i64, i64, i64, i64),
) -> Program {
    let kind = if matches!(variant, Variant::AzurePlan { .. }) { "sp" } else { "ri" };
    let (count, hourly, discount, usual_utilization) = size;
    Program {
        provider: "azure",
        product: "virtualmachines",
        kind,
        variant,
        region,
        purchase: "",
        term: terms.0,
        begins: terms.1,
        count,
        hourly,
        discount,
        usual_utilization,
    }
}

const fn ec2(instance: &'static str, system: &'static str, class: &'static str, zone: Option<&'static str>) -> Variant {
    Variant::Ec2 { instance, system, class, zone }
}

const fn rds(instance: &'static str, engine: &'static str, multi_az: Option<bool>) -> Variant {
    Variant::Rds { instance, engine, multi_az }
}

/// All programs of the company.
#[rustfmt::skip]
pub(in crate::sandbox) static PROGRAMS: [Program; 13] = [
    aws("ec2", ec2("m6i.xlarge", "Linux", "standard", None), "eu-west-1", ("No Upfront", 1, (2, 14)), (24, 290, 3_700, 9_300)),
    aws("ec2", ec2("c6i.2xlarge", "Linux", "convertible", Some("us-east-1c")), "us-east-1", ("All Upfront", 3, (7, 1)), (8, 125, 5_400, 8_100)),
    aws("ec2", ec2("r6i.2xlarge", "Windows", "standard", None), "eu-central-1", ("Partial Upfront", 1, (11, 3)), (3, 131, 3_300, 6_400)),
    aws("rds", rds("db.r6g.xlarge", "PostgreSQL", Some(true)), "eu-west-1", ("Partial Upfront", 1, (4, 20)), (10, 310, 3_500, 9_700)),
    aws("rds", rds("db.r6g.xlarge", "Aurora MySQL", Some(false)), "us-east-1", ("No Upfront", 1, (9, 9)), (6, 205, 3_000, 8_800)),
    aws("rds", rds("db.t4g.large", "MySQL", None), "eu-central-1", ("All Upfront", 3, (1, 30)), (4, 41, 5_300, 7_200)),
    aws("elasticache", Variant::Cache { instance: "cache.r6g.large", engine: "Redis" }, "eu-west-1", ("No Upfront", 1, (6, 17)), (9, 124, 3_200, 9_500)),
    aws("elasticache", Variant::Cache { instance: "cache.r6g.large", engine: "Memcached" }, "us-east-1", ("All Upfront", 1, (3, 8)), (2, 25, 3_800, 5_900)),
    aws("ec2", Variant::AwsPlan { plan: "ComputeSavingsPlans" }, "", ("No Upfront", 1, (5, 2)), (1, 6_850, 2_800, 9_600)),
    aws("ec2", Variant::AwsPlan { plan: "EC2InstanceSavingsPlans" }, "", ("Partial Upfront", 3, (10, 12)), (1, 2_190, 4_700, 8_900)),
    azure(Variant::AzureMachine { instance: "Standard_D4s_v5", sub_category: "Dsv5 Series", name: "core-d4s-weu" }, "westeurope", (1, (8, 21)), (12, 172, 3_600, 9_100)),
    azure(Variant::AzureMachine { instance: "Standard_E8s_v5", sub_category: "Esv5 Series", name: "db-e8s-weu" }, "westeurope", (3, (12, 5)), (4, 98, 5_500, 7_700)),
    azure(Variant::AzurePlan { name: "compute-plan-2" }, "", (1, (3, 27)), (1, 1_340, 2_600, 9_200)),
];
