//! The services the company uses, with their meters and prices.
//!
//! Names and prices are close enough to public price lists that a query over the lake looks like a real bill.

use super::amount::ONE;

/// How a meter's quantity varies from day to day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rhythm {
    /// Machines running whole hours, with this many normalized units each, covered by savings plans.
    Planned(i64),
    /// Machines running whole hours, with this many normalized units each, covered by reservations.
    Reserved(i64),
    /// Follows the working week.
    Busy,
    /// The same every day (storage, keys, zones).
    Steady,
    /// Only on some days.
    Rare,
}

/// One meter. `quantity` is in thousandths of a unit a day for a typical account, `price` in 1e-10 USD per unit.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) usage_type: &'static str,
    pub(super) operation: &'static str,
    pub(super) unit: &'static str,
    pub(super) quantity: i64,
    pub(super) price: i64,
    pub(super) rhythm: Rhythm,
}

/// What the usage types of machines paid by the hour begin with.
const MACHINES: [&str; 3] = ["BoxUsage", "InstanceUsage", "NodeUsage"];

impl Meter {
    /// The type of machine, such as `db.r6g.xlarge`; empty for a meter without one.
    pub(super) fn instance_type(&self) -> &'static str {
        let machine = self.usage_type.split_once(':').filter(|(word, _)| MACHINES.contains(word));
        machine.map_or("", |(_, kind)| kind)
    }

    /// Normalized units of a machine.
    pub(super) fn normalized(&self) -> i64 {
        match self.rhythm {
            Rhythm::Planned(each) | Rhythm::Reserved(each) => each,
            Rhythm::Busy | Rhythm::Steady | Rhythm::Rare => 0,
        }
    }

    /// The family of the type of machine, such as `m6i` or `db.r6g`.
    pub(super) fn family(&self) -> &'static str {
        self.instance_type().rsplit_once('.').map_or("", |(family, _)| family)
    }
}

const fn meter(
    usage_type: &'static str,
    operation: &'static str,
    unit: &'static str,
    quantity: i64,
    price: i64,
    rhythm: Rhythm,
) -> Meter {
    Meter { usage_type, operation, unit, quantity, price, rhythm }
}

/// A service under its display name.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) global: bool,
    /// Percentage of accounts that use it.
    pub(super) spread: u64,
    pub(super) meters: &'static [Meter],
}

/// Converts millionths of a dollar to 1e-10 USD.
const fn micro(dollars: i64) -> i64 {
    dollars * (ONE / 1_000_000)
}

use Rhythm::{Busy, Planned, Rare, Reserved, Steady};

#[rustfmt::skip]
const COMPUTE: [Meter; 4] = [
    meter("BoxUsage:m6i.xlarge", "RunInstances", "Hrs", 34_000, micro(192_000), Planned(8)),
    meter("BoxUsage:c6i.2xlarge", "RunInstances", "Hrs", 22_000, micro(340_000), Planned(16)),
    meter("BoxUsage:r6i.2xlarge", "RunInstances:0010", "Hrs", 12_000, micro(504_000), Planned(16)),
    meter("SpotUsage:m6i.large", "RunInstances:SV004", "Hrs", 310_000, 371_000_000, Busy),
];
#[rustfmt::skip]
const COMPUTE_OTHER: [Meter; 5] = [
    meter("EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "GB-Mo", 720_000, micro(80_000), Steady),
    meter("EBS:SnapshotUsage", "CreateSnapshot", "GB-Mo", 410_000, micro(50_000), Steady),
    meter("NatGateway-Hours", "NatGateway", "Hrs", 72_000, micro(45_000), Steady),
    meter("NatGateway-Bytes", "NatGateway", "GB", 690_000, micro(45_000), Busy),
    meter("DataTransfer-Regional-Bytes", "InterZone-Out", "GB", 2_150_000, micro(10_000), Busy),
];
#[rustfmt::skip]
const DATABASE: [Meter; 4] = [
    meter("InstanceUsage:db.r6g.xlarge", "CreateDBInstance:0014", "Hrs", 14_000, micro(450_000), Reserved(8)),
    meter("RDS:GP3-Storage", "CreateDBInstance", "GB-Mo", 96_000, micro(115_000), Steady),
    meter("RDS:ChargedBackupUsage", "CreateDBInstance", "GB-Mo", 55_000, micro(95_000), Steady),
    meter("Aurora:StorageIOUsage", "", "IOs", 20_000_000_000, micro(1) / 5, Busy),
];
#[rustfmt::skip]
const STORAGE: [Meter; 5] = [
    meter("TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", 3_900_000, micro(23_000), Steady),
    meter("TimedStorage-GlacierByteHrs", "GlacierStorage", "GB-Mo", 6_100_000, micro(3_600), Steady),
    meter("Requests-Tier1", "PutObject", "Requests", 2_900_000_000, micro(5), Busy),
    meter("Requests-Tier2", "GetObject", "Requests", 31_000_000_000, micro(2) / 5, Busy),
    meter("DataTransfer-Out-Bytes", "GetObject", "GB", 210_000, micro(90_000), Rare),
];
#[rustfmt::skip]
const FUNCTIONS: [Meter; 2] = [
    meter("Lambda-GB-Second", "Invoke", "Lambda-GB-Second", 2_400_000_000, 166_667, Busy),
    meter("Request", "Invoke", "Requests", 9_000_000_000, micro(1) / 5, Busy),
];
#[rustfmt::skip]
const CACHE: [Meter; 2] = [
    meter("NodeUsage:cache.r6g.large", "CreateCacheCluster:0002", "Hrs", 9_000, micro(206_000), Reserved(4)),
    meter("NodeUsage:cache.t4g.medium", "CreateCacheCluster:0002", "Hrs", 48_000, micro(65_000), Busy),
];
#[rustfmt::skip]
const MONITORING: [Meter; 4] = [
    meter("CW:MetricMonitorUsage", "MetricStorage", "Metrics", 133_000, micro(300_000), Busy),
    meter("DataProcessing-Bytes", "PutLogEvents", "GB", 88_000, micro(500_000), Busy),
    meter("TimedStorage-ByteHrs", "HourlyStorageMetering", "GB-Mo", 260_000, micro(30_000), Steady),
    meter("CW:Requests", "GetMetricData", "Requests", 740_000_000, micro(10), Busy),
];
#[rustfmt::skip]
const TABLES: [Meter; 3] = [
    meter("WriteRequestUnits", "PayPerRequestThroughput", "WriteRequestUnits", 9_000_000_000, 12_500, Busy),
    meter("ReadRequestUnits", "PayPerRequestThroughput", "ReadRequestUnits", 21_000_000_000, 2_500, Busy),
    meter("TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", 47_000, micro(250_000), Steady),
];
#[rustfmt::skip]
const KEYS: [Meter; 2] = [
    meter("KMS-Keys", "Unknown", "Keys", 4_300, micro(1_000_000), Steady),
    meter("KMS-Requests", "Decrypt", "Requests", 370_000_000, micro(3), Busy),
];
#[rustfmt::skip]
const BALANCING: [Meter; 2] = [
    meter("LoadBalancerUsage", "LoadBalancing:Application", "Hrs", 192_000, micro(22_500), Steady),
    meter("LCUUsage", "LoadBalancing:Application", "LCU-Hrs", 610_000, micro(8_000), Busy),
];
#[rustfmt::skip]
const TRANSFER: [Meter; 3] = [
    meter("DataTransfer-Out-Bytes", "RunInstances", "GB", 830_000, micro(90_000), Busy),
    meter("DataTransfer-In-Bytes", "RunInstances", "GB", 1_900_000, 0, Busy),
    meter("AWS-Out-Bytes", "PublicIP-Out", "GB", 64_000, micro(20_000), Rare),
];
#[rustfmt::skip]
const NAMES: [Meter; 2] = [
    meter("HostedZone", "HostedZone", "HostedZone", 1_200, micro(500_000), Steady),
    meter("DNS-Queries", "A", "Queries", 5_400_000_000, micro(2) / 5, Busy),
];
#[rustfmt::skip]
const CONTAINERS: [Meter; 2] = [
    meter("Fargate-vCPU-Hours:perCPU", "FargateTask", "hours", 2_100_000, micro(40_480), Busy),
    meter("Fargate-GB-Hours", "FargateTask", "hours", 4_900_000, micro(4_445), Busy),
];

/// The services in use.
#[rustfmt::skip]
pub(super) const SERVICES: [Service; 13] = [
    service("Amazon Elastic Compute Cloud - Compute", false, 100, &COMPUTE),
    service("EC2 - Other", false, 95, &COMPUTE_OTHER),
    service("Amazon Relational Database Service", false, 70, &DATABASE),
    service("Amazon Simple Storage Service", false, 100, &STORAGE),
    service("AWS Lambda", false, 80, &FUNCTIONS),
    service("Amazon ElastiCache", false, 50, &CACHE),
    service("AmazonCloudWatch", false, 90, &MONITORING),
    service("Amazon DynamoDB", false, 60, &TABLES),
    service("AWS Key Management Service", false, 70, &KEYS),
    service("Amazon Elastic Load Balancing", false, 70, &BALANCING),
    service("AWS Data Transfer", false, 70, &TRANSFER),
    service("Amazon Route 53", true, 50, &NAMES),
    service("Amazon Elastic Container Service", false, 45, &CONTAINERS),
];

const fn service(name: &'static str, global: bool, spread: u64, meters: &'static [Meter]) -> Service {
    Service { name, global, spread, meters }
}
