//! Which call is which function, and the least role that may make it: one table for both, so that none is forgotten.

use tonic::{Request, Response, Status};

use crate::rpc::access::Role;
use crate::rpc::pb;
use crate::rpc::pb::admin_service_server::AdminService;

use super::export::{Exported, export_usage};
use super::watch::{Watched, watch_notifications};
use super::{Admin, acts, entries, notices, plan, reports, usage};

/// Writes the service and the roles from the table.
macro_rules! service {
    (
        viewers { $($read:ident, $read_rpc:literal, $read_asked:ident, $read_answer:ident, $read_work:path;)* }
        makers { $($make:ident, $make_rpc:literal, $make_asked:ident, $make_answer:ident, $make_work:path;)* }
        admins { $($change:ident, $change_rpc:literal, $change_asked:ident, $change_answer:ident, $change_work:path;)* }
        streams { $($stream:ident, $stream_rpc:literal, $stream_asked:ident, $stream_type:ident, $stream_answers:ty, $stream_work:path;)* }
    ) => {
        /// The least role that may make a call; `None`: there is no such call.
        pub fn role(rpc: &str) -> Option<Role> {
            match rpc {
                $($read_rpc => Some(Role::Viewer),)*
                $($stream_rpc => Some(Role::Viewer),)*
                $($make_rpc => Some(Role::Maker),)*
                $($change_rpc => Some(Role::Admin),)*
                _ => None,
            }
        }

        #[tonic::async_trait]
        impl AdminService for Admin {
            $(
                async fn $read(
                    &self,
                    request: Request<pb::$read_asked>,
                ) -> Result<Response<pb::$read_answer>, Status> {
                    self.read(request, $read_work).await
                }
            )*
            $(
                async fn $make(
                    &self,
                    request: Request<pb::$make_asked>,
                ) -> Result<Response<pb::$make_answer>, Status> {
                    self.change(request, $make_rpc, $make_work).await
                }
            )*
            $(
                async fn $change(
                    &self,
                    request: Request<pb::$change_asked>,
                ) -> Result<Response<pb::$change_answer>, Status> {
                    self.change(request, $change_rpc, $change_work).await
                }
            )*
            $(
                type $stream_type = $stream_answers;

                async fn $stream(
                    &self,
                    request: Request<pb::$stream_asked>,
                ) -> Result<Response<Self::$stream_type>, Status> {
                    $stream_work(self, request).await
                }
            )*
        }
    };
}

service! {
    viewers {
        get_organization, "GetOrganization", GetOrganizationRequest, GetOrganizationResponse, entries::get_organization;
        list_organizations, "ListOrganizations", ListOrganizationsRequest, ListOrganizationsResponse, entries::list_organizations;
        list_grants, "ListGrants", ListGrantsRequest, ListGrantsResponse, entries::list_grants;
        get_allocation, "GetAllocation", GetAllocationRequest, GetAllocationResponse, entries::get_allocation;
        list_allocations, "ListAllocations", ListAllocationsRequest, ListAllocationsResponse, entries::list_allocations;
        get_limit, "GetLimit", GetLimitRequest, GetLimitResponse, entries::get_limit;
        list_limits, "ListLimits", ListLimitsRequest, ListLimitsResponse, entries::list_limits;
        get_rate, "GetRate", GetRateRequest, GetRateResponse, entries::get_rate;
        list_rates, "ListRates", ListRatesRequest, ListRatesResponse, entries::list_rates;
        get_plan, "GetPlan", GetPlanRequest, GetPlanResponse, plan::get_plan;
        estimate, "Estimate", EstimateRequest, EstimateResponse, reports::estimate;
        list_balances, "ListBalances", ListBalancesRequest, ListBalancesResponse, reports::list_balances;
        list_members, "ListMembers", ListMembersRequest, ListMembersResponse, reports::list_members;
        query_usage, "QueryUsage", QueryUsageRequest, QueryUsageResponse, usage::query_usage;
        list_notifications, "ListNotifications", ListNotificationsRequest, ListNotificationsResponse, notices::list_notifications;
        list_sinks, "ListSinks", ListSinksRequest, ListSinksResponse, notices::list_sinks;
        list_dead_letters, "ListDeadLetters", ListDeadLettersRequest, ListDeadLettersResponse, notices::list_dead_letters;
        list_audit, "ListAudit", ListAuditRequest, ListAuditResponse, notices::list_audit;
        list_reservations, "ListReservations", ListReservationsRequest, ListReservationsResponse, reports::list_reservations;
    }
    makers {
        request_extension, "RequestExtension", RequestExtensionRequest, RequestExtensionResponse, acts::request_extension;
    }
    admins {
        set_organization, "SetOrganization", SetOrganizationRequest, SetOrganizationResponse, plan::set_organization;
        delete_organization, "DeleteOrganization", DeleteOrganizationRequest, DeleteOrganizationResponse, plan::delete_organization;
        set_grants, "SetGrants", SetGrantsRequest, SetGrantsResponse, plan::set_grants;
        delete_grants, "DeleteGrants", DeleteGrantsRequest, DeleteGrantsResponse, plan::delete_grants;
        set_allocation, "SetAllocation", SetAllocationRequest, SetAllocationResponse, plan::set_allocation;
        delete_allocation, "DeleteAllocation", DeleteAllocationRequest, DeleteAllocationResponse, plan::delete_allocation;
        set_limit, "SetLimit", SetLimitRequest, SetLimitResponse, plan::set_limit;
        delete_limit, "DeleteLimit", DeleteLimitRequest, DeleteLimitResponse, plan::delete_limit;
        set_rate, "SetRate", SetRateRequest, SetRateResponse, plan::set_rate;
        delete_rate, "DeleteRate", DeleteRateRequest, DeleteRateResponse, plan::delete_rate;
        apply_plan, "ApplyPlan", ApplyPlanRequest, ApplyPlanResponse, plan::apply_plan;
        assign_equal_limits, "AssignEqualLimits", AssignEqualLimitsRequest, AssignEqualLimitsResponse, plan::assign_equal_limits;
        distribute_equally, "DistributeEqually", DistributeEquallyRequest, DistributeEquallyResponse, plan::distribute_equally;
        remove_user, "RemoveUser", RemoveUserRequest, RemoveUserResponse, plan::remove_user;
        start_trial, "StartTrial", StartTrialRequest, StartTrialResponse, acts::start_trial;
        renew_trial, "RenewTrial", RenewTrialRequest, RenewTrialResponse, acts::renew_trial;
        adjust_usage, "AdjustUsage", AdjustUsageRequest, AdjustUsageResponse, acts::adjust_usage;
        replay_dead_letters, "ReplayDeadLetters", ReplayDeadLettersRequest, ReplayDeadLettersResponse, notices::replay_dead_letters;
        release_reservation, "ReleaseReservation", ReleaseReservationRequest, ReleaseReservationResponse, acts::release_reservation;
    }
    streams {
        export_usage, "ExportUsage", ExportUsageRequest, ExportUsageStream, Exported, export_usage;
        watch_notifications, "WatchNotifications", WatchNotificationsRequest, WatchNotificationsStream, Watched, watch_notifications;
    }
}
