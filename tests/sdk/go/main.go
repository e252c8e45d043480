// Lets aliyungo, the SDK that Debian packages for Go, work against `blkrewind serve`: V1 in GET requests,
// answers in JSON, decoded into typed structures. Run by run.sh.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io/ioutil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/denverdino/aliyungo/common"
	"github.com/denverdino/aliyungo/ecs"
)

type world struct {
	Endpoint  string            `json:"endpoint"`
	Region    common.Region     `json:"region"`
	KeyId     string            `json:"key_id"`
	KeySecret string            `json:"key_secret"`
	Values    map[string]string `json:"values"`
}

type refusal struct {
	Action     string                 `json:"action"`
	Parameters map[string]interface{} `json:"parameters"`
	Status     int                    `json:"status"`
	Code       string                 `json:"code"`
	Message    string                 `json:"message"`
}

var passed, failed int

func check(good bool, what string, arguments ...interface{}) bool {
	if good {
		passed++
	} else {
		failed++
		fmt.Printf("FAILED: "+what+"\n", arguments...)
	}
	return good
}

// must ends the program: what follows would make no sense.
func must(err error, what string) {
	if err != nil {
		fmt.Printf("FAILED: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func read(path string, into interface{}) {
	data, err := ioutil.ReadFile(path)
	must(err, "read "+path)
	must(json.Unmarshal(data, into), "decode "+path)
}

// flatten names the parameters as the API wants lists: Disk.1.DiskId.
func flatten(value interface{}, name string, names map[string]string, into url.Values) {
	switch value := value.(type) {
	case string:
		for placeholder, text := range names {
			value = strings.ReplaceAll(value, "{"+placeholder+"}", text)
		}
		into.Set(name, value)
	case []interface{}:
		for i, item := range value {
			flatten(item, fmt.Sprintf("%s.%d", name, i+1), names, into)
		}
	case map[string]interface{}:
		for key, item := range value {
			flatten(item, strings.TrimPrefix(name+"."+key, "."), names, into)
		}
	}
}

func checkRefusals(client *ecs.Client, world world, path string) {
	fmt.Println("\n== Every refusal, as aliyungo shows it")
	var table struct{ Cases []refusal }
	read(path, &table)
	for _, wanted := range table.Cases {
		parameters := url.Values{}
		flatten(wanted.Parameters, "", world.Values, parameters)
		err := client.Invoke(wanted.Action, parameters, &common.Response{})
		got, isError := err.(*common.Error)
		if !check(isError, "%s: %s was not refused: %v", wanted.Action, wanted.Code, err) {
			continue
		}
		good := got.Code == wanted.Code && got.StatusCode == wanted.Status && got.RequestId != "" &&
			got.HostId != "" && got.Message != "" && (wanted.Message == "" || wanted.Message == got.Message)
		mark := map[bool]string{true: "+", false: "-"}[check(good, "%s: wanted %d %s %q, got %v",
			wanted.Action, wanted.Status, wanted.Code, wanted.Message, err)]
		fmt.Printf("  %s  %d %-42s %s\n", mark, wanted.Status, wanted.Code, wanted.Action)
	}
}

func code(err error) string {
	if refused, is := err.(*common.Error); is {
		return refused.Code
	}
	return fmt.Sprint(err)
}

func checkTypes(client *ecs.Client, world world) {
	fmt.Println("\n== Every description fits the SDK's types")
	disks, paging, err := client.DescribeDisks(&ecs.DescribeDisksArgs{
		RegionId: world.Region, DiskIds: []string{world.Values["disk.plain"], world.Values["disk.story"]}})
	must(err, "DescribeDisks")
	check(len(disks) == 2 && paging.TotalCount == 2 && paging.PageNumber == 1 && paging.PageSize == 10,
		"two disks: %v %v", disks, paging)
	for _, disk := range disks {
		check(disk.Size > 0 && disk.Status == ecs.DiskStatusInUse && disk.InstanceId != "" &&
			!disk.CreationTime.IsDefault() && !disk.AttachedTime.IsDefault(), "a disk's fields: %+v", disk)
	}

	snapshots, paging, err := client.DescribeSnapshots(&ecs.DescribeSnapshotsArgs{RegionId: world.Region,
		DiskId: world.Values["disk.paging"], Pagination: common.Pagination{PageNumber: 2, PageSize: 10}})
	must(err, "DescribeSnapshots")
	check(len(snapshots) == 2 && paging.TotalCount == 12, "the second page: %v %v", snapshots, paging)
	for _, snapshot := range snapshots {
		check(snapshot.Progress == "100%" && snapshot.Status == "accomplished" && snapshot.SourceDiskSize > 0 &&
			snapshot.SourceDiskId == world.Values["disk.paging"] && !snapshot.CreationTime.IsDefault(),
			"a snapshot's fields: %+v", snapshot)
	}

	instances, _, err := client.DescribeInstances(&ecs.DescribeInstancesArgs{
		RegionId: world.Region, InstanceIds: fmt.Sprintf("[%q]", world.Values["instance.locked"])})
	must(err, "DescribeInstances")
	if check(len(instances) == 1, "the locked instance: %v", instances) {
		locks := instances[0].OperationLocks.LockReason
		check(len(locks) == 1 && locks[0].LockReason == ecs.LockReasonSecurity, "its lock: %v", locks)
	}

	statuses, _, err := client.DescribeInstanceStatus(&ecs.DescribeInstanceStatusArgs{RegionId: world.Region})
	must(err, "DescribeInstanceStatus")
	check(len(statuses) >= 6, "all instances: %v", statuses)
	fmt.Printf("  %d disks, %d snapshots, %d instances, %d statuses decoded\n",
		len(disks), len(snapshots), len(instances), len(statuses))
}

func content(path string) []byte {
	if strings.HasPrefix(path, "/dev/") {
		must(exec.Command("blockdev", "--flushbufs", path).Run(), "blockdev")
	}
	data, err := ioutil.ReadFile(path)
	must(err, "read "+path)
	return data
}

func scribble(path string) {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(err, "open "+path)
	noise := make([]byte, 1<<20)
	_, err = rand.Read(noise)
	must(err, "noise")
	_, err = file.WriteAt(noise, 5<<20)
	must(err, "write "+path)
	must(file.Sync(), "flush "+path)
	must(file.Close(), "close "+path)
}

func waitFor(what string, ready func() bool) {
	for i := 0; i < 600; i++ {
		if ready() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	must(fmt.Errorf("not within 30 s"), what)
}

func story(client *ecs.Client, world world) {
	fmt.Println("\n== The whole story")
	disk, instance, device := world.Values["disk.story"], world.Values["instance.story"], world.Values["device.story"]
	before := content(device)
	snapshot, err := client.CreateSnapshot(&ecs.CreateSnapshotArgs{
		DiskId: disk, SnapshotName: "before it all", Description: "50% & more + a * ~"})
	must(err, "CreateSnapshot")
	fmt.Println("  CreateSnapshot ->", snapshot)
	var found []ecs.SnapshotType
	waitFor("the snapshot", func() bool {
		found, _, err = client.DescribeSnapshots(&ecs.DescribeSnapshotsArgs{
			RegionId: world.Region, SnapshotIds: []string{snapshot}})
		must(err, "DescribeSnapshots")
		return len(found) == 1 && found[0].Status == "accomplished"
	})
	// Go writes a space as "+" into the query, and signs it as "%20".
	check(found[0].SnapshotName == "before it all" && found[0].Description == "50% & more + a * ~",
		"name and description came back changed: %+v", found[0])
	scribble(device)
	check(!bytes.Equal(content(device), before), "the device was not changed")

	refused := client.ResetDisk(disk, snapshot)
	fmt.Println("  ResetDisk, Running ->", refused)
	check(code(refused) == "IncorrectInstanceStatus", "ResetDisk of a running instance: %v", refused)
	must(client.StopInstance(instance, false), "StopInstance")
	status := func(wanted ecs.InstanceStatus) func() bool {
		return func() bool {
			instances, _, err := client.DescribeInstances(&ecs.DescribeInstancesArgs{
				RegionId: world.Region, InstanceIds: fmt.Sprintf("[%q]", instance)})
			must(err, "DescribeInstances")
			return len(instances) == 1 && instances[0].Status == wanted
		}
	}
	waitFor("Stopped", status(ecs.Stopped))
	must(client.ResetDisk(disk, snapshot), "ResetDisk")
	// The SDK's own way to wait.
	must(client.WaitForDisk(world.Region, disk, ecs.DiskStatusInUse, 60), "WaitForDisk")
	must(client.StartInstance(instance), "StartInstance")
	waitFor("Running", status(ecs.Running))
	if check(bytes.Equal(content(device), before), "the bytes are not those of the snapshot") {
		fmt.Printf("  StopInstance, ResetDisk, WaitForDisk, StartInstance: %d bytes on %s are those of %s\n",
			len(before), device, snapshot)
	}
	must(client.DeleteSnapshot(snapshot), "DeleteSnapshot")
}

func attach(client *ecs.Client, world world) {
	disk, instance := world.Values["disk.spare"], world.Values["instance.stopped"]
	must(client.DetachDisk(instance, disk), "DetachDisk")
	must(client.AttachDisk(&ecs.AttachDiskArgs{InstanceId: instance, DiskId: disk}), "AttachDisk")
}

func main() {
	var world world
	read(os.Getenv("BLKREWIND_SDK_WORLD"), &world)
	client := ecs.NewClientWithEndpoint(world.Endpoint, world.KeyId, world.KeySecret)
	story(client, world)
	attach(client, world)
	checkTypes(client, world)
	checkRefusals(client, world, os.Args[1])

	stranger := ecs.NewClientWithEndpoint(world.Endpoint, "unknown", "nothing")
	check(code(stranger.StartInstance("i-1")) == "InvalidAccessKeyId.NotFound", "an unknown key")
	forger := ecs.NewClientWithEndpoint(world.Endpoint, world.KeyId, "nothing")
	check(code(forger.StartInstance("i-1")) == "SignatureDoesNotMatch", "a wrong secret")

	fmt.Printf("\n%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
