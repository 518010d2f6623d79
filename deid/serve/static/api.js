// Talks to the server. Every answer that is not as asked for becomes an Error with the server's words.

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Was it ended?");
  }
  if (answer.status === 204) return null;
  const text = await answer.text();
  let plain = {};
  try {
    plain = JSON.parse(text);
  } catch {
    plain = { detail: text.slice(0, 200) };
  }
  if (!answer.ok) {
    const error = new Error(plain.detail || `The server said ${answer.status}.`);
    error.status = answer.status;
    throw error;
  }
  return plain;
}

export const api = {
  status: () => call("GET", "/api/status"),
  open: () => call("POST", "/api/sessions"),
  session: (id) => call("GET", `/api/sessions/${id}`),
  detections: (id) => call("GET", `/api/files/${id}/detections`),
  correct: (id, corrections) => call("POST", `/api/files/${id}/corrections`, { corrections }),
  save: (id) => call("POST", `/api/files/${id}/save`),
  remove: (id) => call("DELETE", `/api/files/${id}`),
  events: (id) => new EventSource(`/api/sessions/${id}/events`),
  image: (id, side, frame, version) => `/api/files/${id}/images/${side}/${frame}?v=${version}`,
  face: (id, face, side, version) => `/api/files/${id}/faces/${face}/${side}?v=${version}`,
  result: (id) => `/api/files/${id}/result`,
  report: (id) => `/api/files/${id}/report`,
  results: (session) => `/api/sessions/${session}/results`,
};

// Sends a file's bytes; `told` gets the share that has been sent.
export function send(session, file, told) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    request.upload.onprogress = (event) => told(event.lengthComputable ? event.loaded / event.total : 0);
    request.onerror = () => reject(new Error(`${file.name} could not be sent: the server ended the connection.`));
    request.onabort = () => reject(new Error("cancelled"));
    request.onload = () => {
      let plain = {};
      try {
        plain = JSON.parse(request.responseText);
      } catch {
        plain = {};
      }
      if (request.status === 201) resolve(plain);
      else reject(new Error(plain.detail || `The server said ${request.status}.`));
    };
    request.open("POST", `/api/sessions/${session}/files?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  });
  return { done, cancel: () => request.abort() };
}
