// Asks the simulator what the vendor's own client can ask, which checks every answer's shape, and prints what came of it as one line of
// JSON: name of the call -> a short digest of the answer, or the error's class and words.
// Environment: BASE_URL, API_KEY; ids in the world as JSON in IDS.
import { IterableClient } from "@iterable/api";

const ids = JSON.parse(process.env.IDS);
const client = new IterableClient({ apiKey: process.env.API_KEY, baseUrl: process.env.BASE_URL });
const stranger = new IterableClient({ apiKey: "no-such-key", baseUrl: process.env.BASE_URL });

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function exported() {
  const { jobId } = await client.startExportJob({
    dataTypeName: "user",
    outputFormat: "application/x-json-stream",
    startDateTime: "1970-01-01 00:00:00",
    endDateTime: "2200-01-01 00:00:00",
    onlyFields: "email,userId",
  });
  let found;
  do {
    await pause(20);
    found = await client.getExportFiles({ jobId });
  } while (found.jobState !== "completed");
  const first = (await (await fetch(found.files[0].url)).text()).split("\n")[0];
  const next = await client.getExportFiles({ jobId, startAfter: found.files.at(-1).file });
  return { state: found.jobState, keys: Object.keys(JSON.parse(first)).sort(), after: next.files.length };
}

const calls = {
  getLists: async () => [...new Set((await client.getLists()).lists.map((list) => list.listType))].sort(),
  getListUsers: async () => (await client.getListUsers({ listId: ids.list })).users.length > 0,
  getListSize: async () => (await client.getListSize({ listId: ids.list })).size > 0,
  getListPreviewUsers: async () => (await client.getListPreviewUsers({ listId: ids.list, size: 3 })).users.length,
  getChannels: async () => (await client.getChannels()).channels.length,
  getMessageTypes: async () => (await client.getMessageTypes()).messageTypes.length,
  getUserByEmail: async () => (await client.getUserByEmail({ email: ids.email })).user.userId,
  getUserByUserId: async () => (await client.getUserByUserId({ userId: ids.userId })).user.email,
  getUserFields: async () => typeof (await client.getUserFields()).fields.email,
  getUserEventsByEmail: async () => (await client.getUserEventsByEmail({ email: ids.email, limit: 2 })).events.length,
  getUserEventsByUserId: async () => (await client.getUserEventsByUserId({ userId: ids.userId, limit: 2 })).events.length,
  getSentMessages: async () => (await client.getSentMessages({ email: ids.email })).messages.length,
  getCampaigns: async () => (await client.getCampaigns({ page: 1, pageSize: 5, sort: "id" })).campaigns.map((row) => row.id),
  getAllCampaigns: async () => (await client.getCampaigns({ page: 1, pageSize: 1000 })).totalCampaignsCount,
  getCampaign: async () => (await client.getCampaign({ id: ids.campaign })).id,
  getChildCampaigns: async () => (await client.getChildCampaigns({ id: ids.recurring })).campaigns.length > 0,
  getCampaignMetrics: async () => {
    const range = { startDateTime: "2020-01-01 00:00:00", endDateTime: "2030-01-01 00:00:00" };
    return (await client.getCampaignMetrics({ campaignId: ids.sent, ...range })).map((row) => row.id);
  },
  getJourneys: async () => (await client.getJourneys({ page: 1, pageSize: 3 })).journeys.length,
  getTemplates: async () => (await client.getTemplates({ templateType: "Blast", messageMedium: "Email", page: 1, pageSize: 4 })).templates.length,
  getEmailTemplate: async () => typeof (await client.getEmailTemplate({ templateId: ids.email_template })).html,
  getPushTemplate: async () => typeof (await client.getPushTemplate({ templateId: ids.push_template })).message,
  getSMSTemplate: async () => typeof (await client.getSMSTemplate({ templateId: ids.sms_template })).message,
  getInAppTemplate: async () => typeof (await client.getInAppTemplate({ templateId: ids.inapp_template })).html,
  getTemplateByClientId: async () => (await client.getTemplateByClientId({ clientTemplateId: ids.client_template })).templates.length,
  getSnippets: async () => (await client.getSnippets()).snippets.length,
  getSnippet: async () => (await client.getSnippet({ identifier: "footer" })).snippet?.name,
  getCatalogs: async () => (await client.getCatalogs()).catalogNames.length,
  getCatalogFieldMappings: async () => (await client.getCatalogFieldMappings({ catalogName: ids.catalog })).undefinedFields.length > 0,
  getCatalogItems: async () => (await client.getCatalogItems({ catalogName: ids.catalog, page: 1, pageSize: 5 })).catalogItemsWithProperties.length,
  getCatalogItem: async () => (await client.getCatalogItem({ catalogName: ids.catalog, itemId: ids.item })).itemId,
  export: exported,
  getExportJobs: async () => (await client.getExportJobs({ jobState: "completed" })).jobs.length,
  throttled: async () => {
    const faults = [{ path: "channels", do: "status", status: 429, times: 1 }];
    await fetch(`${process.env.BASE_URL}/_simulator/faults`, { method: "POST", body: JSON.stringify({ faults }) });
    return client.getChannels();
  },
  wrongKey: async () => stranger.getLists(),
  wrongList: async () => client.getListSize({ listId: 123456 }),
};

const told = {};
for (const [name, call] of Object.entries(calls)) {
  try {
    told[name] = { answer: await call() };
  } catch (error) {
    told[name] = { error: error.name, says: String(error.message).slice(0, 500), status: error.statusCode };
  }
}
console.log(JSON.stringify(told));
client.destroy();
stranger.destroy();
