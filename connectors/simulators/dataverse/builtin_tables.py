"""The tables that an organisation ships with: names, keys, type codes, and what the column facts don't say.

Sources: dataverse_columns.tsv beside this file (Microsoft's Common Data Model, CC BY 4.0) for columns; learn.microsoft.com's table
reference for names. Tables that no load writes to have only the columns that a client reads.
"""

# name: schema name, entity set, primary key, primary name, type code, flags
# flags: o organisation-owned, n neither, a activity, N has notes, A has activities, c takes no columns, x no bulk messages,
# i comes with an app of the maker's own
DESCRIBED = {
    "account": ("Account", "accounts", "accountid", "name", 1, "NA"),
    "contact": ("Contact", "contacts", "contactid", "fullname", 2, "NA"),
    "opportunity": ("Opportunity", "opportunities", "opportunityid", "name", 3, "NA"),
    "lead": ("Lead", "leads", "leadid", "fullname", 4, "NA"),
    "annotation": ("Annotation", "annotations", "annotationid", "subject", 5, "c"),
    "systemuser": ("SystemUser", "systemusers", "systemuserid", "fullname", 8, "o"),
    "team": ("Team", "teams", "teamid", "name", 9, "ox"),
    "businessunit": ("BusinessUnit", "businessunits", "businessunitid", "name", 10, "ox"),
    "pricelevel": ("PriceLevel", "pricelevels", "pricelevelid", "name", 1022, "o"),
    "product": ("Product", "products", "productid", "name", 1024, "oN"),
    "productpricelevel": ("ProductPriceLevel", "productpricelevels", "productpricelevelid", "", 1026, "o"),
    "uom": ("UoM", "uoms", "uomid", "name", 1055, "o"),
    "uomschedule": ("UoMSchedule", "uomschedules", "uomscheduleid", "name", 1056, "o"),
    "customeraddress": ("CustomerAddress", "customeraddresses", "customeraddressid", "name", 1071, "n"),
    "opportunityproduct": ("OpportunityProduct", "opportunityproducts", "opportunityproductid", "opportunityproductname", 1083, "n"),
    "salesorder": ("SalesOrder", "salesorders", "salesorderid", "name", 1088, "NA"),
    "salesorderdetail": ("SalesOrderDetail", "salesorderdetails", "salesorderdetailid", "salesorderdetailname", 1089, "n"),
    "connection": ("Connection", "connections", "connectionid", "name", 3234, ""),
    "opportunityclose": ("OpportunityClose", "opportunitycloses", "activityid", "subject", 4208, "a"),
    "appointment": ("Appointment", "appointments", "activityid", "subject", 4201, "aN"),
    "email": ("Email", "emails", "activityid", "subject", 4202, "aN"),
    "phonecall": ("PhoneCall", "phonecalls", "activityid", "subject", 4210, "aN"),
    "task": ("Task", "tasks", "activityid", "subject", 4212, "aN"),
    "list": ("List", "lists", "listid", "listname", 4300, "N"),
    "campaign": ("Campaign", "campaigns", "campaignid", "name", 4400, "NA"),
    "campaignresponse": ("CampaignResponse", "campaignresponses", "activityid", "subject", 4401, "aN"),
    "transactioncurrency": ("TransactionCurrency", "transactioncurrencies", "transactioncurrencyid", "currencyname", 9105, "ox"),
    "activityparty": ("ActivityParty", "activityparties", "activitypartyid", "partyid", 135, "ncx"),
}

# The same, and columns as `name:Kind[:length or target]`, `!` demanded at create.
PLAIN = {
    "organization": (("Organization", "organizations", "organizationid", "name", 1019, "ox"),
        "name:String:160 basecurrencyid:Lookup:transactioncurrency basecurrencysymbol:String:5 languagecode:Integer localeid:Integer"
        " maxuploadfilesize:Integer blockedattachments:Memo:1048576 blockedmimetypes:Memo:1048576 allowedmimetypes:Memo:1048576"
        " isauditenabled:Boolean oobpricecalculationenabled:Boolean"
        " ispricelistmandatory:Boolean createproductswithoutparentinactivestate:Boolean useinbuiltrulefordefaultpricelistselection:Boolean"
        " currencydecimalprecision:Integer pricingdecimalprecision:Integer isduplicatedetectionenabled:Boolean"
        " schemanameprefix:String:8 systemuserid:Uniqueidentifier fiscalcalendarstart:DateTime"),
    "publisher": (("Publisher", "publishers", "publisherid", "friendlyname", 7101, "ox"),
        "uniquename:String:256! friendlyname:String:256! customizationprefix:String:8! customizationoptionvalueprefix:Integer"
        " description:Memo:2000 isreadonly:Boolean organizationid:Lookup:organization"),
    "solution": (("Solution", "solutions", "solutionid", "friendlyname", 7100, "ox"),
        "uniquename:String:65! friendlyname:String:256! version:String:256! description:Memo:2000 publisherid:Lookup:publisher!"
        " ismanaged:Boolean isvisible:Boolean installedon:DateTime"),
    "solutioncomponent": (("SolutionComponent", "solutioncomponents", "solutioncomponentid", "", 7103, "ncx"),
        "componenttype:Integer objectid:Uniqueidentifier solutionid:Lookup:solution rootcomponentbehavior:Integer ismetadata:Boolean"),
    "role": (("Role", "roles", "roleid", "name", 1036, "ox"),
        "name:String:100! businessunitid:Lookup:businessunit parentroleid:Lookup:role ismanaged:Boolean"),
    "systemuserroles": (("SystemUserRoles", "systemuserrolescollection", "systemuserroleid", "", 1038, "nx"),
        "systemuserid:Uniqueidentifier roleid:Uniqueidentifier"),
    "teamroles": (("TeamRoles", "teamrolescollection", "teamroleid", "", 40, "nx"),
        "teamid:Uniqueidentifier roleid:Uniqueidentifier"),
    "teammembership": (("TeamMembership", "teammemberships", "teammembershipid", "", 23, "nx"),
        "teamid:Uniqueidentifier systemuserid:Uniqueidentifier"),
    "privilege": (("Privilege", "privileges", "privilegeid", "name", 1023, "nx"), "name:String:100 accessright:Integer"),
    "sdkmessage": (("SdkMessage", "sdkmessages", "sdkmessageid", "name", 4606, "ox"), "name:String:256"),
    "sdkmessagefilter": (("SdkMessageFilter", "sdkmessagefilters", "sdkmessagefilterid", "name", 4607, "ox"),
        "name:String:256 sdkmessageid:Lookup:sdkmessage primaryobjecttypecode:EntityName"),
    "sdkmessageprocessingstep": (
        ("SdkMessageProcessingStep", "sdkmessageprocessingsteps", "sdkmessageprocessingstepid", "name", 4608, "ox"),
        "name:String:256 stage:Integer mode:Integer rank:Integer filteringattributes:Memo:100000 asyncautodelete:Boolean"
        " sdkmessageid:Lookup:sdkmessage sdkmessagefilterid:Lookup:sdkmessagefilter eventhandler:Lookup:plugintype,serviceendpoint"
        " canbebypassed:Boolean ishidden:Boolean ismanaged:Boolean"
        " customizationlevel:Integer description:String:256 statecode:State statuscode:Status"),
    "plugintype": (("PluginType", "plugintypes", "plugintypeid", "name", 4602, "ox"),
        "name:String:256 typename:String:256 friendlyname:String:256 assemblyname:String:256 publickeytoken:String:32 ismanaged:Boolean"),
    "serviceendpoint": (("ServiceEndpoint", "serviceendpoints", "serviceendpointid", "name", 4618, "ox"),
        "name:String:160 contract:Integer url:String:1048 ismanaged:Boolean"),
    "mailbox": (("Mailbox", "mailboxes", "mailboxid", "name", 9606, "x"),
        "name:String:200 emailaddress:String:100 actdeliverymethod:Integer actstatus:Integer incomingemaildeliverymethod:Integer"
        " outgoingemaildeliverymethod:Integer regardingobjectid:Lookup:systemuser statecode:State statuscode:Status"),
    "workflow": (("Workflow", "workflows", "workflowid", "name", 4703, "x"),
        "name:String:100 uniquename:String:256 category:Integer type:Integer mode:Integer primaryentity:EntityName scope:Integer"
        " processtriggerscope:Integer subprocess:Boolean"
        " triggeroncreate:Boolean triggerondelete:Boolean triggeronupdateattributelist:Memo:100000 ondemand:Boolean"
        " clientdata:Memo:1048576 ismanaged:Boolean description:Memo:100000 statecode:State statuscode:Status"),
    "processstage": (("ProcessStage", "processstages", "processstageid", "stagename", 4724, "ox"),
        "stagename:String:100 stagecategory:Integer processid:Lookup:workflow primaryentitytypecode:EntityName"),
    "callbackregistration": (("CallbackRegistration", "callbackregistrations", "callbackregistrationid", "name", 301, "x"),
        "name:String:256 entityname:String:256 message:Integer sdkmessagename:String:256 scope:Integer softdeletestatus:Integer"
        " filteringattributes:Memo:100000 version:Integer runas:Integer"),
    "duplicaterule": (("DuplicateRule", "duplicaterules", "duplicateruleid", "name", 4414, "x"),
        "name:String:160 baseentityname:EntityName matchingentityname:EntityName isenabled:Boolean description:Memo:2000"
        " statecode:State statuscode:Status"),
    "sla": (("SLA", "slas", "slaid", "name", 9750, "x"),
        "name:String:100 primaryentityotc:Integer isdefault:Boolean statecode:State statuscode:Status"),
    "listmember": (("ListMember", "listmembers", "listmemberid", "", 4301, "ncx"),
        "listid:Lookup:list entityid:Lookup:account,contact,lead entitytype:EntityName"),
    "campaignitem": (("CampaignItem", "campaignitems", "campaignitemid", "", 4403, "ncx"),
        "campaignid:Lookup:campaign entityid:Uniqueidentifier entitytype:EntityName"),
    "activitypointer": (("ActivityPointer", "activitypointers", "activityid", "subject", 4200, "acx"),
        "subject:String:200 activitytypecode:EntityName scheduledstart:DateTime scheduledend:DateTime actualstart:DateTime"
        " actualend:DateTime sortdate:DateTime description:Memo:1048576 statecode:State statuscode:Status"
        " regardingobjectid:Lookup:account,contact,lead,opportunity,campaign,salesorder,list"),
    "orderclose": (("OrderClose", "ordercloses", "activityid", "subject", 4209, "ac"),
        "subject:String:200 activitytypecode:EntityName ordernumber:String:100 revision:Integer scheduledstart:DateTime"
        " scheduledend:DateTime actualstart:DateTime actualend:DateTime sortdate:DateTime description:Memo:2000"
        " salesorderid:Lookup:salesorder statecode:State statuscode:Status"),
    "activitymimeattachment": (("ActivityMimeAttachment", "activitymimeattachments", "activitymimeattachmentid", "filename", 1001, "ncx"),
        "objectid:Lookup:activitypointer,email! objecttypecode:EntityName filename:String:255 mimetype:String:256 body:Memo:1073741823"
        " subject:String:2000 attachmentnumber:Integer filesize:Integer"),
    "connectionrole": (("ConnectionRole", "connectionroles", "connectionroleid", "name", 3231, "o"),
        "name:String:100! category:Integer description:Memo:2000 statecode:State statuscode:Status"),
    "territory": (("Territory", "territories", "territoryid", "name", 2013, "o"), "name:String:200! description:Memo:2000"),
    "bulkdeleteoperation": (("BulkDeleteOperation", "bulkdeleteoperations", "bulkdeleteoperationid", "name", 4424, "x"),
        "name:String:256 successcount:Integer failurecount:Integer asyncoperationid:Uniqueidentifier statecode:State statuscode:Status"),
}  # fmt: skip

# Tables of apps of the maker's own, which an organisation has where the app is installed: where the data folder has a file of its rows.
# Names and states from the published table references and generated metadata; `msdyn_sequence` of a segment *assumed* to be a lookup.
APPS = {
    "msdyn_sequence": (("msdyn_sequence", "msdyn_sequences", "msdyn_sequenceid", "msdyn_name", 10201, "i"),
        "msdyn_name:String:160 msdyn_regardingentityname:String:100 statecode:State statuscode:Status"),
    "msdyn_segment": (("msdyn_segment", "msdyn_segments", "msdyn_segmentid", "msdyn_name", 10202, "i"),
        "msdyn_name:String:160 msdyn_objecttypecode:Integer msdyn_triggertype:Integer msdyn_entityfilter:Memo:4000"
        " msdyn_sequence:Lookup:msdyn_sequence statecode:State statuscode:Status"),
    "msdyn_assignmentrule": (("msdyn_assignmentrule", "msdyn_assignmentrules", "msdyn_assignmentruleid", "msdyn_name", 10203, "i"),
        "msdyn_name:String:100 msdyn_objecttype:String:4000 msdyn_objecttypecode:Integer msdyn_triggertype:Integer"
        " msdyn_evaluationorder:Integer msdyn_segmentid:Lookup:msdyn_segment statecode:State statuscode:Status"),
    "msdynmkt_journey": (("msdynmkt_journey", "msdynmkt_journeys", "msdynmkt_journeyid", "msdynmkt_name", 10204, "i"),
        "msdynmkt_name:String:200 msdynmkt_triggertype:Integer statecode:State statuscode:Status"),
}  # fmt: skip

# Columns that facts/dataverse.md names and the TSV lacks.
ADDED = {
    "opportunity": "msdyn_forecastcategory:Choice skippricecalculation:Choice",
    "opportunityproduct": "skippricecalculation:Choice",
    "task": "sortdate:DateTime activitytypecode:EntityName",
    "phonecall": "sortdate:DateTime activitytypecode:EntityName",
    "email": "sortdate:DateTime activitytypecode:EntityName senton:DateTime actualdurationminutes:Integer",
    "appointment": "sortdate:DateTime activitytypecode:EntityName",
    "campaignresponse": "sortdate:DateTime activitytypecode:EntityName",
    "opportunityclose": "sortdate:DateTime activitytypecode:EntityName",
    "organization": "createdon:DateTime modifiedon:DateTime",
}

OPTIONS = {
    ("opportunity", "msdyn_forecastcategory"): "100000001=Pipeline;100000002=Best case;100000003=Committed;100000004=Omitted;"
    "100000005=Won;100000006=Lost",
    ("opportunity", "skippricecalculation"): "0=DoPriceCalcAlways;1=SkipPriceCalcOnCreate;2=SkipPriceCalcOnUpdate;3=SkipPriceCalcOnUpsert",
    ("opportunityproduct", "skippricecalculation"): "0=DoPriceCalcAlways;1=SkipPriceCalcOnCreate;2=SkipPriceCalcOnUpdate;"
    "3=SkipPriceCalcOnUpsert",
    ("systemuser", "accessmode"): "0=Read-Write;1=Administrative;2=Read;3=Support User;4=Non-interactive;5=Delegated Admin",
    ("team", "teamtype"): "0=Owner;1=Access;2=Security Group;3=Office Group",
}
STATES = {
    "workflow": ("0=Draft;1=Activated", "1=Draft@0;2=Activated@1"),
    "duplicaterule": ("0=Inactive;1=Active", "0=Unpublished@0;1=Publishing@0;2=Published@1"),
    "sdkmessageprocessingstep": ("0=Enabled;1=Disabled", "1=Enabled@0;2=Disabled@1"),
    "sla": ("0=Draft;1=Active", "1=Draft@0;2=Active@1"),
    "msdyn_segment": ("0=Active;1=Inactive;2=Pause", "1=Active@0;2=Inactive@1;3=Pause@2"),
    "msdynmkt_journey": (
        "0=Draft;1=Live;2=Stopped;3=Publishing;4=Deleted;5=Completing;6=Completed;8=Stopping",
        "1=Draft@0;2=Live@1;3=Stopped@2;4=Publishing@3;6=Deleted@4;7=Completing@5;8=Completed@6;9=Stopping@8",
    ),
    "bulkdeleteoperation": ("0=Ready;1=Suspended;2=Locked;3=Completed", "0=Waiting For Resources@0;20=In Progress@2;30=Succeeded@3"),
    "orderclose": ("0=Open;1=Completed;2=Canceled", "1=Open@0;2=Completed@1;3=Canceled@2"),
    "activitypointer": ("0=Open;1=Completed;2=Canceled;3=Scheduled", "1=Open@0;2=Completed@1;3=Canceled@2;4=Scheduled@3"),
    "": ("0=Active;1=Inactive", "1=Active@0;2=Inactive@1"),
}
STATE_DEFAULTS = {"product": (2, 0), "pricelevel": (0, 100001), "campaign": (0, 0), "list": (0, 0), "task": (0, 2),
                  "duplicaterule": (0, 0), "bulkdeleteoperation": (0, 0)}  # fmt: skip

# Values that a new row gets where the client sends none (*assumed* but for followemail, donot* and the states).
DEFAULTS = {"followemail": True, "directioncode": True, "prioritycode": 1, "preferredcontactmethodcode": 1, "leadqualitycode": 2,
            "opportunityratingcode": 2, "teamtype": 0, "accessmode": 0, "productstructure": 1, "pricingmethodcode": 1,
            "quantitysellingcode": 1, "roundingpolicycode": 1, "producttypecode": 1, "propertyconfigurationstatus": 2,
            "opportunitystatecode": None}  # fmt: skip

# Without anniversary the facts' own; anniversary *assumed*.
DATE_ONLY = {"birthdate", "anniversary", "estimatedclosedate", "actualclosedate"}
DAY_FORMAT = {("campaignresponse", c) for c in ("receivedon", "actualstart", "actualend", "scheduledstart", "scheduledend")} | {
    ("email", "actualstart"), ("email", "actualend")}  # fmt: skip

# SystemRequired text and lookups that the service fills itself.
SERVER_FILLED = {"organizationid", "ordernumber", "domainname", "defaultodbfoldername", "administratorid", "businessunitid", "ownerid"}
SERVER_FILLED_IN = {("productpricelevel", "productnumber"), ("activityparty", "activityid"), ("customeraddress", "parentid")}
DEMANDED = {("list", "createdfromcode")}

READ_ONLY = {"createdon", "createdby", "createdonbehalfby", "modifiedon", "modifiedby", "modifiedonbehalfby", "versionnumber",
             "owningbusinessunit", "owninguser", "owningteam", "exchangerate", "organizationid", "activitytypecode",
             "membercount", "membertype", "attachmentcount", "extendedamount", "senton", "ismaster", "address1_composite",
             "address2_composite", "address3_composite", "yomifullname", "fullname", "isintegrationuser"}  # fmt: skip
WRITABLE = {("transactioncurrency", "exchangerate")}
# Money that keeps as many decimals as the organisation's prices; other money as many as its row's currency.
PRICES = {("opportunityproduct", "priceperunit"), ("salesorderdetail", "priceperunit"), ("productpricelevel", "amount"),
          ("productpricelevel", "roundingoptionamount")}  # fmt: skip
READ_ONLY_IN = {("opportunityproduct", "opportunityproductname"), ("salesorderdetail", "salesorderdetailname"),
                ("opportunityproduct", "baseamount"), ("salesorderdetail", "baseamount"), ("opportunityproduct", "opportunitystatecode"),
                ("salesorderdetail", "salesorderstatecode"), ("uom", "isschedulebaseuom"), ("productpricelevel", "productnumber"),
                ("annotation", "filesize"), ("activitymimeattachment", "filesize"),
                *((t, c) for t in ("opportunity", "salesorder") for c in (
                    "totallineitemamount", "totallineitemdiscountamount", "totaltax", "totaldiscountamount", "totalamountlessfreight",
                    "totalamount"))}  # fmt: skip
CREATE_ONLY = {"overriddencreatedon", "importsequencenumber"}
UPDATE_REFUSED_SILENTLY = {("campaignresponse", "regardingobjectid"), ("list", "createdfromcode"),
                           ("opportunityproduct", "opportunityid"), ("salesorderdetail", "salesorderid")}  # fmt: skip
NOT_CREATABLE = {"activityparty", "activitypointer", "listmember", "campaignitem", "organization", "solutioncomponent", "sdkmessage",
                 "sdkmessagefilter", "privilege", "opportunityclose", "orderclose", "bulkdeleteoperation"}  # fmt: skip
INTERSECTS = {"listmember", "systemuserroles", "teamroles", "teammembership"}
NOT_CHANGEABLE = {"listmember", "campaignitem"}  # of the second *assumed*
# Whose changes are recorded where the organisation audits at all (*assumed*: as the product ships).
AUDITED = {"account", "contact", "lead", "opportunity", "salesorder", "systemuser", "team"}
STATE_AT_CREATE = {"appointment"}  # *assumed*: elsewhere statecode of a built-in table isn't valid for create
