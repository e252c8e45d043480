// One interface over the published SDKs, and nothing of theirs replaced:
//
//   call(action, parameters, change)      -> {status, body}; body has the names of the API
//   refusal(action, parameters, change)   -> {code, status, message, requestId}, as the SDK shows them
//
// `change` makes a request wrong on purpose: keyId, keySecret, timestamp, nonce, version. What an SDK puts
// around a message is taken off only where it is exactly what that SDK puts there.
import { createRequire } from 'node:module';
import path from 'node:path';
import { world } from './world.mjs';

const sdk = createRequire(path.join(process.env.BLKREWIND_SDK_MODULES, 'main.cjs'));
const RPCClient = sdk('@alicloud/pop-core').RPCClient;
const ecs = sdk('@alicloud/ecs20140526');
const core = sdk('@alicloud/openapi-core');
const dara = sdk('@darabonba/typescript');
const openapi = sdk('@alicloud/openapi-client');
const teaUtil = sdk('@alicloud/tea-util');

const VERSION = '2014-05-26';
const TIMEOUT_MS = 60_000;

class Client {
  format = 'JSON';

  async refusal(action, parameters, change = {}) {
    try {
      const { status, body } = await this.call(action, parameters, change);
      return {
        code: '(not refused)',
        status,
        message: JSON.stringify(body),
        requestId: body?.RequestId,
      };
    } catch (error) {
      return this.readError(error);
    }
  }
}

// Lists as the API wants them: Disk.1.DiskId.
function flatten(value, name = '', into = {}) {
  if (value === null || typeof value !== 'object') {
    into[name] = String(value);
    return into;
  }
  const entries = Array.isArray(value)
    ? value.map((item, index) => [index + 1, item])
    : Object.entries(value);
  for (const [key, item] of entries) flatten(item, name === '' ? key : `${name}.${key}`, into);
  return into;
}

// The middle of a text; the whole of it when it is not between the two.
function between(text, before, after) {
  return text.startsWith(before) && text.endsWith(after)
    ? text.slice(before.length, text.length - after.length)
    : text;
}

const orThrow = (value, error) => {
  if (value === undefined) throw error; // not an answer of the server
  return value;
};

// V1 in the query, or in a form.
class PopCore extends Client {
  constructor(method) {
    super();
    this.method = method;
    this.name = `pop-core, V1, ${method}`;
    this.usual = this.client({});
  }

  client({ keyId, keySecret, version }) {
    return new RPCClient(
      {
        endpoint: world.endpoint,
        apiVersion: version ?? VERSION,
        accessKeyId: keyId ?? world.key_id,
        accessKeySecret: keySecret ?? world.key_secret,
      },
      true,
    );
  }

  async call(action, parameters, change = {}) {
    const client = Object.keys(change).length === 0 ? this.usual : this.client(change);
    const replaced = {};
    if (change.timestamp) replaced.Timestamp = change.timestamp;
    if (change.nonce) replaced.SignatureNonce = change.nonce;
    const [body, entry] = await client.request(
      action,
      { ...parameters, ...replaced },
      { method: this.method, timeout: TIMEOUT_MS },
    );
    return { status: entry.response.statusCode, body };
  }

  readError(error) {
    const data = orThrow(error.data, error);
    const message = between(error.message, '', `, URL: ${error.url}`);
    return {
      code: error.code,
      status: error.entry.response.statusCode,
      requestId: data.RequestId,
      message:
        error.name === `${error.code}Error` && message === data.Message ? message : error.message,
    };
  }
}

// What the current SDKs have in common: the message is wrapped in code, status and request id.
class Modern extends Client {
  constructor(sdkName, signature) {
    super();
    this.sdkName = sdkName;
    this.signature = signature;
  }

  config({ keyId, keySecret } = {}) {
    return {
      accessKeyId: keyId ?? world.key_id,
      accessKeySecret: keySecret ?? world.key_secret,
      endpoint: world.endpoint.replace('http://', ''),
      protocol: 'http',
      regionId: world.region,
      ...(this.signature === 'V1' ? { signatureAlgorithm: 'v2' } : {}),
    };
  }

  // Where each signature has its clock, its nonce and its version.
  replaced({ timestamp, nonce, version }) {
    const names =
      this.signature === 'V1'
        ? ['Timestamp', 'SignatureNonce', 'Version']
        : ['x-acs-date', 'x-acs-signature-nonce', 'x-acs-version'];
    const entries = [timestamp, nonce, version].map((value, index) => [names[index], value]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  readError(error) {
    const status = orThrow(error.statusCode ?? error.data?.statusCode, error);
    const requestId = error.requestId ?? error.data?.RequestId;
    return {
      code: error.code,
      status,
      requestId,
      message: between(
        error.message,
        `${error.code}: code: ${status}, `,
        ` request id: ${requestId}`,
      ),
    };
  }
}

// The typed methods of the product's own SDK: client.resetDisk(new ResetDiskRequest({...})).
class Typed extends Modern {
  typed = true;

  constructor(signature) {
    super('ecs20140526', signature);
    this.name = `ecs20140526, ${signature}, POST`;
    this.usual = this.client({});
  }

  client(change) {
    return new ecs.default(new core.$OpenApiUtil.Config(this.config(change)));
  }

  static method = (action) => action[0].toLowerCase() + action.slice(1);
  knows(action) {
    return typeof this.usual[Typed.method(action)] === 'function';
  }

  async call(action, parameters, change = {}) {
    const client = change.keyId || change.keySecret ? this.client(change) : this.usual;
    const request = typedModel(ecs[`${action}Request`], parameters);
    const where = this.signature === 'V1' ? 'queries' : 'headers';
    const runtime = new dara.RuntimeOptions({
      readTimeout: TIMEOUT_MS,
      extendsParameters: new dara.ExtendsParameters({ [where]: this.replaced(change) }),
    });
    const answer = await client[`${Typed.method(action)}WithOptions`](request, runtime);
    return { status: answer.statusCode, body: answer.body.toMap() };
  }
}

// {DiskId: 'd-1'} as the SDK's own class, which calls it diskId and knows its type.
function typedModel(Model, parameters) {
  const own = Object.fromEntries(
    Object.entries(Model.names()).map(([name, apiName]) => [apiName, name]),
  );
  const model = new Model({});
  for (const [apiName, value] of Object.entries(parameters)) {
    const name = own[apiName];
    if (name === undefined) throw new Error(`${Model.name} has no ${apiName}`);
    const type = Model.types()[name];
    if (type === 'boolean') model[name] = value === 'true';
    else if (type === 'number') model[name] = Number(value);
    else if (typeof type?.itemType === 'function')
      model[name] = value.map((item) => typedModel(type.itemType, item));
    else model[name] = value;
  }
  return model;
}

// callApi(), which takes any action: for methods, places and formats that the typed methods do not use.
class Generic extends Modern {
  constructor(sdkName, kit, signature, method, where, format) {
    super(sdkName, signature);
    this.kit = kit;
    this.method = method;
    this.where = where;
    this.format = format;
    this.name = `${sdkName}, ${signature}, ${method}${where === 'body' ? ' form' : ''}${format === 'XML' ? ', XML' : ''}`;
    this.usual = this.client({});
  }

  client(change) {
    return new this.kit.Client(new this.kit.Config(this.config(change)));
  }

  async call(action, parameters, change = {}) {
    const client = change.keyId || change.keySecret ? this.client(change) : this.usual;
    const params = new this.kit.Params({
      action,
      version: change.version ?? VERSION,
      protocol: 'HTTP',
      pathname: '/',
      method: this.method,
      authType: 'AK',
      style: 'RPC',
      reqBodyType: 'formData',
      bodyType: this.format === 'XML' ? 'string' : 'json',
    });
    const request = new this.kit.OpenApiRequest({ [this.where]: flatten(parameters), headers: {} });
    request.query = { ...request.query, ...(this.format === 'XML' ? { Format: 'XML' } : {}) };
    const { version, ...rest } = change;
    Object.assign(this.signature === 'V1' ? request.query : request.headers, this.replaced(rest));
    const answer = await client.callApi(
      params,
      request,
      new this.kit.RuntimeOptions({ readTimeout: TIMEOUT_MS }),
    );
    return { status: answer.statusCode, body: answer.body };
  }
}

export function allClients() {
  const current = {
    Client: core.default,
    Config: core.$OpenApiUtil.Config,
    Params: core.$OpenApiUtil.Params,
    OpenApiRequest: core.$OpenApiUtil.OpenApiRequest,
    RuntimeOptions: dara.RuntimeOptions,
  };
  const older = {
    Client: openapi.default,
    Config: openapi.Config,
    Params: openapi.Params,
    OpenApiRequest: openapi.OpenApiRequest,
    RuntimeOptions: teaUtil.RuntimeOptions,
  };
  return [
    new PopCore('GET'),
    new PopCore('POST'),
    new Typed('V3'),
    new Typed('V1'),
    new Generic('openapi-core', current, 'V3', 'GET', 'query', 'JSON'),
    new Generic('openapi-core', current, 'V3', 'POST', 'body', 'JSON'),
    new Generic('openapi-client', older, 'V3', 'POST', 'query', 'JSON'),
    new Generic('openapi-client', older, 'V1', 'POST', 'query', 'JSON'),
    new Generic('openapi-client', older, 'V1', 'GET', 'query', 'JSON'),
  ];
}
